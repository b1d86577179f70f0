/** Label of a pod that the webhook changes; its value must be `true`. */
export const useLabel = 'azure.workload.identity/use'

/**
 * Annotations of a service account.
 * https://azure.github.io/azure-workload-identity/docs/topics/service-account-labels-and-annotations.html
 */
export const identityAnnotations = {
  clientId: 'azure.workload.identity/client-id',
  tenantId: 'azure.workload.identity/tenant-id',
  tokenExpiration: 'azure.workload.identity/service-account-token-expiration',
} as const

/** Annotations of a pod that gets the proxy sidecar. */
export const proxyAnnotations = {
  inject: 'azure.workload.identity/inject-proxy-sidecar',
  port: 'azure.workload.identity/proxy-sidecar-port',
} as const

/** Annotation of a pod that signs in through the token proxy of its cluster (AKS identity bindings). */
export const bindingAnnotation = 'azure.workload.identity/use-identity-binding'
