import { errorMessage, type Problem, SecretValue } from '#lib'
import type { Credential } from './credential.ts'
import {
  identityBindingAudience,
  parseServiceAccountTokens,
  type ServiceAccountToken,
  tokenExchangeAudience,
} from './service-account-token.ts'

/** What a class and its volume say about identity, defaults already filled in. */
export interface IdentityParameters {
  usePodIdentity: boolean
  useVMManagedIdentity: boolean
  useAzureTokenProxy: boolean
  /** Empty when neither the class nor the service account names one. */
  clientId: string
  tenantId: string
  /** Client id of the user-assigned managed identity; empty for the system-assigned one. */
  userAssignedIdentityId: string
  /** The JSON of `csi.storage.k8s.io/serviceAccount.tokens`; empty when the driver sent none. */
  serviceAccountTokens: string
  /** Content of the class's `nodePublishSecretRef`; undefined when the volume has none. */
  secrets: ReadonlyMap<string, SecretValue> | undefined
  podName: string
  podNamespace: string
}

export type CredentialChoice = { credential: Credential } | { problems: readonly Problem[] }

/**
 * The one way to prove identity that these parameters ask for. Order of the field: a mode that was switched on, then
 * workload identity when there is a client id, then a service principal. Nothing falls back to a weaker way.
 */
export function chooseCredential(parameters: IdentityParameters): CredentialChoice {
  const { usePodIdentity, useVMManagedIdentity, useAzureTokenProxy, tenantId } = parameters
  const conflict = modeConflict(parameters)
  if (conflict !== undefined) return { problems: [conflict] }
  if (useAzureTokenProxy) return identityBinding(parameters)
  if (usePodIdentity) {
    return { credential: { kind: 'pod-identity', tenantId, ...pick(parameters) } }
  }
  if (useVMManagedIdentity) {
    const clientId = parameters.userAssignedIdentityId === '' ? undefined : parameters.userAssignedIdentityId
    return { credential: { kind: 'managed', tenantId, clientId } }
  }
  return parameters.clientId === '' ? servicePrincipal(parameters) : workload(parameters)
}

/** More than one mode that was switched on; undefined when it is one or none. */
export function modeConflict(
  parameters: Pick<IdentityParameters, 'usePodIdentity' | 'useVMManagedIdentity' | 'useAzureTokenProxy'>,
): Problem | undefined {
  const { usePodIdentity, useVMManagedIdentity, useAzureTokenProxy } = parameters
  if ([usePodIdentity, useVMManagedIdentity, useAzureTokenProxy].filter(Boolean).length <= 1) return undefined
  const words =
    'only one identity mode can be enabled at a time: usePodIdentity, useVMManagedIdentity, or useAzureTokenProxy'
  return { path: '', message: words }
}

function pick({ podName, podNamespace }: IdentityParameters) {
  return { podName, podNamespace }
}

function workload({ clientId, tenantId, serviceAccountTokens }: IdentityParameters): CredentialChoice {
  return withToken(serviceAccountTokens, tokenExchangeAudience, {
    use: (assertion) => ({ kind: 'workload', tenantId, clientId, assertion }),
    fail: (reason) => authProblem('None', `failed to parse workload identity tokens, error: ${reason}`),
  })
}

function identityBinding({ clientId, tenantId, serviceAccountTokens }: IdentityParameters): CredentialChoice {
  const fail = (reason: string) => authProblem('AzureTokenProxy', reason)
  if (clientId === '') return fail('clientID is required for identity binding')
  if (serviceAccountTokens === '') return fail('service account tokens are required for identity binding')
  return withToken(serviceAccountTokens, identityBindingAudience, {
    use: (assertion) => ({ kind: 'identity-binding', tenantId, clientId, assertion }),
    fail: (reason) => fail(`failed to parse service account token for identity binding, error: ${reason}`),
  })
}

function withToken(
  tokens: string,
  audience: string,
  { use, fail }: { use: (token: ServiceAccountToken) => Credential; fail: (reason: string) => CredentialChoice },
): CredentialChoice {
  try {
    return { credential: use(parseServiceAccountTokens(tokens, audience)) }
  } catch (error) {
    return fail(errorMessage(error))
  }
}

/** Keys of the Kubernetes Secret, compared in any case. */
function servicePrincipal({ tenantId, secrets }: IdentityParameters): CredentialChoice {
  if (secrets === undefined) {
    const ways = 'name an identity: clientID (workload identity), nodePublishSecretRef, or useVMManagedIdentity'
    return authProblem('None', `failed to get credentials, nodePublishSecretRef secret is not set (${ways})`)
  }
  const value = (name: string): SecretValue | undefined => {
    for (const [key, secret] of secrets) if (key.toLowerCase() === name && secret.size > 0) return secret
    return undefined
  }
  const clientId = value('clientid')
  const secret = value('clientsecret')
  const certificate = value('clientcertificate')
  if (clientId === undefined) return authProblem('None', 'could not find clientid in secrets')
  const common = { kind: 'service-principal', tenantId, clientId: clientId.revealText().trim() } as const
  if (secret !== undefined) {
    return { credential: { ...common, proof: { kind: 'secret', secret: withoutFinalNewline(secret) } } }
  }
  if (certificate !== undefined) {
    const password = value('clientcertificatepassword')
    return { credential: { ...common, proof: { kind: 'certificate', certificate, password } } }
  }
  return authProblem('None', 'could not find clientsecret in secrets (nor clientcertificate)')
}

/** `echo secret | base64` is how many such Secrets are made; no client secret ends in a newline. */
function withoutFinalNewline(secret: SecretValue): SecretValue {
  const text = secret.revealText()
  return /\r?\n$/.test(text) ? SecretValue.of(text.replace(/\r?\n$/, '')) : secret
}

function authProblem(mode: 'None' | 'AzureTokenProxy', reason: string): CredentialChoice {
  return { problems: [{ path: '', message: `failed to build auth config for mode ${mode}: ${reason}` }] }
}
