import { AdmissionDenied } from './admission-denied.ts'
import { parseGoInteger } from './parse-go-integer.ts'
import type { AdmittedPod } from './parse-pod.ts'
import type { WebhookSettings } from './webhook-settings.ts'

/** Annotations of a service account: those that begin with {@link annotationPrefix}. */
export type Annotations = Readonly<Record<string, string>>

export const annotationPrefix = 'azure.workload.identity/'

/** Keys of pods and service accounts. https://azure.github.io/azure-workload-identity/docs/topics/service-account-labels-and-annotations.html */
export const annotationKeys = {
  clientId: `${annotationPrefix}client-id`,
  tenantId: `${annotationPrefix}tenant-id`,
  tokenExpiration: `${annotationPrefix}service-account-token-expiration`,
  skipContainers: `${annotationPrefix}skip-containers`,
  injectProxy: `${annotationPrefix}inject-proxy-sidecar`,
  proxyPort: `${annotationPrefix}proxy-sidecar-port`,
} as const

/** What a pod and its service account request by annotations. */
export interface IdentityRequest {
  /** Empty when the service account names no client: the application then names it. */
  clientId: string
  tenantId: string
  expirationSeconds: number
  skipped: ReadonlySet<string>
  /** Port of the proxy sidecar; undefined without one. */
  proxyPort: number | undefined
  /** Sign in at the administrator's token endpoint. */
  useTokenEndpoint: boolean
}

const defaultExpiration = 3600
const expirationRange = { min: 3600, max: 86_400 }
const defaultProxyPort = 8000

/** Reads all annotations. Throws {@link AdmissionDenied} for the first that is invalid, in upstream's order. */
export function identityRequest(pod: AdmittedPod, account: Annotations, settings: WebhookSettings): IdentityRequest {
  const proxyPort = Object.hasOwn(pod.annotations, annotationKeys.injectProxy) ? proxyPortOf(pod) : undefined
  const expirationSeconds = tokenExpiration(pod, account)
  const { tokenEndpoint } = settings
  const useTokenEndpoint =
    tokenEndpoint !== undefined && pod.annotations[tokenEndpoint.annotation]?.toLowerCase() === 'true'
  if (useTokenEndpoint && proxyPort !== undefined) {
    throw new AdmissionDenied(
      `${tokenEndpoint.annotation} and ${annotationKeys.injectProxy} exclude each other: the proxy sidecar signs in at Microsoft Entra ID, which refuses tokens for the token endpoint`,
    )
  }
  return {
    clientId: account[annotationKeys.clientId] ?? '',
    // An empty annotation counts: no tenant is injected then, as upstream does.
    tenantId: account[annotationKeys.tenantId] ?? settings.tenantId,
    expirationSeconds,
    skipped: skippedContainers(pod),
    proxyPort,
    useTokenEndpoint,
  }
}

function proxyPortOf({ annotations, hostNetwork }: AdmittedPod): number {
  // On the node's network the redirection would catch every process of the node.
  if (hostNetwork) throw new AdmissionDenied('hostNetwork is set to true, cannot inject proxy sidecar')
  const text = annotations[annotationKeys.proxyPort]
  if (text === undefined) return defaultProxyPort
  const { value, problem } = parseGoInteger(text, 32)
  const where = `(annotation ${annotationKeys.proxyPort} of the pod, expected 1 to 65535)`
  if (problem !== undefined) throw new AdmissionDenied(`failed to parse proxy sidecar port: ${problem} ${where}`)
  if (value < 1 || value > 65_535) throw new AdmissionDenied(`proxy sidecar port ${value} not valid ${where}`)
  return value
}

/** The pod's annotation, or else the service account's; an empty one does not count. */
function tokenExpiration(pod: AdmittedPod, account: Annotations): number {
  const key = annotationKeys.tokenExpiration
  const text = pod.annotations[key] || account[key] || ''
  if (text === '') return defaultExpiration
  const owner = pod.annotations[key] ? 'the pod' : `service account ${pod.serviceAccountName}`
  const { value, problem } = parseGoInteger(text, 64)
  if (problem !== undefined) throw new AdmissionDenied(`${problem} (annotation ${key} of ${owner}, in seconds)`)
  if (value < expirationRange.min || value > expirationRange.max) {
    throw new AdmissionDenied(
      `token expiration ${value} not valid. Expected value to be between 3600 and 86400 (annotation ${key} of ${owner}, in seconds)`,
    )
  }
  return value
}

function skippedContainers({ annotations }: AdmittedPod): ReadonlySet<string> {
  const names = (annotations[annotationKeys.skipContainers] ?? '').split(';').map((name) => name.trim())
  return new Set(names.filter((name) => name !== ''))
}
