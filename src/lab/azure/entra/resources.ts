import type { Cloud } from '../proxy/clouds.ts'

/** The audiences of each service, without a trailing slash: with and without are the same resource. */
export function audiencesOf(cloud: Cloud) {
  return {
    arm: [`https://${cloud.legacyAudience}`, `https://${cloud.resourceManager}`],
    graph: [`https://${cloud.graph}`],
    keyvault: [`https://${cloud.vaultSuffix}`],
    storage: ['https://storage.azure.com'],
    eventGrid: [`https://${cloud.eventGridSuffix}`],
    // Entra gives tokens for it; the lab has no registry.
    containerRegistry: ['https://containerregistry.azure.net'],
  }
}

/** True when `audience` is one of `accepted`, with or without a trailing slash. */
export function isAudience(audience: string, accepted: readonly string[]): boolean {
  return accepted.includes(audience.endsWith('/') ? audience.slice(0, -1) : audience)
}
