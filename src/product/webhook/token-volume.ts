import { hash } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import type { IdentityRequest } from './identity-request.ts'
import type { AdmittedVolume } from './parse-pod.ts'
import type { WebhookSettings } from './webhook-settings.ts'

/** Where the volume is mounted. */
export const tokenMountPath = '/var/run/secrets/azure/wi'
export const tokenFile = `${tokenMountPath}/token/azure-identity-token`
export const caFile = `${tokenMountPath}/ca-cert/ca.crt`
/** Where releases before 1.6.0 had the token. */
export const legacyMountPath = '/var/run/secrets/azure/tokens'

export const reservedVolumePrefix = 'azure-workload-identity-reserved-'

/** 63 characters, the longest name that a volume may have. */
export function tokenVolumeName(podName: string): string {
  return `${reservedVolumePrefix}${hash('sha256', podName).slice(0, 30)}`
}

/** The projected volume with the service account's token, and the authority to trust at the token endpoint. */
export function tokenVolume(
  name: string,
  { expirationSeconds, useTokenEndpoint }: IdentityRequest,
  { audience, legacyTokenPath, tokenEndpoint }: WebhookSettings,
): AdmittedVolume {
  const endpoint = useTokenEndpoint ? tokenEndpoint : undefined
  const token = { expirationSeconds, audience: endpoint?.audience ?? audience }
  const at = (path: string) => ({ serviceAccountToken: { path, ...token } })
  const sources: unknown[] = [at('token/azure-identity-token')]
  if (endpoint?.trust.kind === 'configMap') {
    const items = [{ key: 'ca.crt', path: 'ca-cert/ca.crt' }]
    sources.push({ configMap: { name: endpoint.trust.name, items, optional: false } })
  } else if (endpoint?.trust.kind === 'trustBundle') {
    const { signerName, labelSelector } = endpoint.trust
    const selector = labelSelector === undefined ? {} : { labelSelector }
    sources.push({ clusterTrustBundle: { signerName, ...selector, path: 'ca-cert/ca.crt', optional: false } })
  }
  if (legacyTokenPath) sources.push(at('azure-identity-token'))
  return { name, projected: { sources } }
}

/** Whether a volume needs no change. The API server fills in `defaultMode` between two rounds of admission. */
export function isSameVolume(existing: AdmittedVolume, wanted: AdmittedVolume): boolean {
  const { projected, ...rest } = existing
  if (typeof projected !== 'object' || projected === null) return false
  const { defaultMode = 0o644, ...sources } = projected as Record<string, unknown>
  return defaultMode === 0o644 && isDeepStrictEqual({ ...rest, projected: sources }, wanted)
}
