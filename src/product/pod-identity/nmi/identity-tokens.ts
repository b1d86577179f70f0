import {
  type AccessToken,
  type Cloud,
  type Credential,
  findCloud,
  IdentityError,
  type TokenSource,
} from '#azure/identity'
import { type AzureIdentity, isNotFound, type KubeClient, objectKey, resources, type Secret } from '#kubernetes/client'
import { errorMessage, SecretValue } from '#lib'
import { identityTypes, typeOf } from '../azure-identity.ts'
import type { ImdsOperation, NmiMetrics } from './nmi-metrics.ts'
import { RequestError } from './request-error.ts'

/** The tokens of an AzureIdentity: one, and one more per auxiliary tenant of a service principal. Throws {@link RequestError}. */
export type TokensOf = (identity: AzureIdentity, resource: string) => Promise<AccessToken[]>

export interface IdentityTokensOptions {
  source: TokenSource
  kube: KubeClient
  metrics: NmiMetrics
}

export function createIdentityTokens({ source, kube, metrics }: IdentityTokensOptions): TokensOf {
  async function secretOf(identity: AzureIdentity): Promise<Secret> {
    const { name = '', namespace = '' } = identity.spec.clientPassword ?? {}
    try {
      return await kube.get(resources.secrets, { namespace, name })
    } catch (error) {
      metrics.kubernetesFailed('get_secret')
      const why = isNotFound(error) ? 'there is no such Secret' : errorMessage(error)
      throw new RequestError(
        503,
        `AzureIdentity ${objectKey(identity)}: spec.clientPassword ${namespace}/${name}: ${why}`,
        {},
        { cause: error },
      )
    }
  }

  /** With what tells it apart from every other one: tokens are shared by those who would get the same anyway. */
  async function credentialsOf(identity: AzureIdentity): Promise<{ key: string; credentials: Credential[] }> {
    const { clientID: clientId = '', tenantID: tenantId = '', auxiliaryTenantIDs } = identity.spec
    const type = typeOf(identity)
    // Without a client id IMDS would give the token of the machine's own identity.
    if (clientId === '') throw new RequestError(403, `AzureIdentity ${objectKey(identity)}: spec.clientID is empty`)
    if (type === identityTypes.userAssigned) {
      return { key: JSON.stringify([type, clientId]), credentials: [{ kind: 'managed', tenantId, clientId }] }
    }
    if (type !== identityTypes.servicePrincipal && type !== identityTypes.servicePrincipalCertificate) {
      throw new RequestError(503, `AzureIdentity ${objectKey(identity)}: unsupported identity type ${type}`)
    }
    const secret = await secretOf(identity)
    const proof =
      type === identityTypes.servicePrincipal ? passwordOf(identity, secret) : certificateOf(identity, secret)
    const { uid = '', resourceVersion = '' } = secret.metadata
    const tenants = [tenantId, ...(auxiliaryTenantIDs ?? [])]
    return {
      key: JSON.stringify([type, clientId, objectKey(secret), uid, resourceVersion]),
      credentials: tenants.map((tenant) => ({ kind: 'service-principal', tenantId: tenant, clientId, proof })),
    }
  }

  return async (identity, resource) => {
    const { key, credentials } = await credentialsOf(identity)
    const cloud = cloudOf(identity)
    return Promise.all(
      credentials.map(async (credential) => {
        const operation: ImdsOperation = credential.kind === 'managed' ? 'adal_token_msi_userassignedid' : 'adal_token'
        const request = { cloud, resource }
        try {
          return await metrics.token(operation, () =>
            source.get(JSON.stringify([key, credential.tenantId]), credential, request),
          )
        } catch (error) {
          throw refusal(error)
        }
      }),
    )
  }
}

/** 403 when whoever gives tokens refused; 503 when it could not be asked. */
function refusal(error: unknown): RequestError {
  const refused = error instanceof IdentityError && !error.retryable
  const text = `failed to get service principal token, error: ${errorMessage(error)}`
  return new RequestError(refused ? 403 : 503, text, {}, { cause: error })
}

/** https://azure.github.io/aad-pod-identity/docs/configure/service_principal/ */
function passwordOf(identity: AzureIdentity, { data = {} }: Secret) {
  // Upstream takes any key's value, at random when there are several.
  const encoded = data.clientSecret ?? Object.entries(data).toSorted(([a], [b]) => (a < b ? -1 : 1))[0]?.[1]
  if (encoded === undefined) throw missing(identity, 'clientSecret')
  return { kind: 'secret', secret: decode(encoded) } as const
}

function certificateOf(identity: AzureIdentity, { data = {} }: Secret) {
  const { certificate, password } = data
  if (certificate === undefined) throw missing(identity, 'certificate')
  return {
    kind: 'certificate',
    // As the wire has it: a PFX file in base64.
    certificate: SecretValue.of(certificate),
    password: password === undefined ? undefined : decode(password),
  } as const
}

function missing(identity: AzureIdentity, key: string): RequestError {
  const { name, namespace } = identity.spec.clientPassword ?? {}
  return new RequestError(
    503,
    `AzureIdentity ${objectKey(identity)}: the Secret ${namespace}/${name} has no key ${key}`,
  )
}

function decode(base64: string): SecretValue {
  return SecretValue.of(Buffer.from(base64, 'base64'))
}

function cloudOf({ spec }: AzureIdentity): Cloud {
  const cloud = findCloud('')
  if (cloud === undefined) throw new Error('the public cloud is not known')
  return spec.adEndpoint ? { ...cloud, authority: spec.adEndpoint.replace(/\/+$/, '') } : cloud
}
