import type { Cloud } from '../proxy/clouds.ts'

/** The audiences that each service of the cloud goes by, without a trailing slash: with and without are the same resource. */
export function audiencesOf(cloud: Cloud) {
  return {
    arm: [`https://${cloud.legacyAudience}`, `https://${cloud.resourceManager}`],
    graph: [`https://${cloud.graph}`],
    keyvault: [`https://${cloud.vaultSuffix}`],
  }
}

/** True when the audience of a token is one of `accepted`. */
export function isAudience(audience: string, accepted: readonly string[]): boolean {
  return accepted.includes(audience.endsWith('/') ? audience.slice(0, -1) : audience)
}
