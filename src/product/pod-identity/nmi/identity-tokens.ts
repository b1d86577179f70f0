import {
  type AccessToken,
  type Cloud,
  type Credential,
  cloudNames,
  findCloud,
  IdentityError,
  type TokenSource,
} from '#azure/identity'
import { type AzureIdentity, isNotFound, type KubeClient, objectKey, resources, type Secret } from '#kubernetes/client'
import { beyondLimit, errorMessage, SecretValue } from '#lib'
import { ImdsRefusal } from '#product/imds'
import { identityTypes, typeOf } from '../azure-identity.ts'
import { nmiLimits } from './limits.ts'
import type { ImdsOperation, NmiMetrics } from './nmi-metrics.ts'

export interface IdentityTokensOptions {
  source: TokenSource
  kube: KubeClient
  metrics: NmiMetrics
  /** Read `clientPassword` Secrets of other namespaces than the AzureIdentity's own. */
  allowCrossNamespaceSecrets: boolean
  /** URLs that `adEndpoint` may name in addition to those of the known clouds. */
  allowedAuthorities: readonly string[]
}

/** The tokens of an AzureIdentity: one, and one more per auxiliary tenant of a service principal. Throws {@link ImdsRefusal}. */
export type TokensOf = (identity: AzureIdentity, resource: string) => Promise<AccessToken[]>

export function createIdentityTokens(options: IdentityTokensOptions): TokensOf {
  const { source, metrics, allowedAuthorities } = options
  return async (identity, resource) => {
    const cloud = cloudOf(identity, allowedAuthorities)
    const { key, credentials } = await credentialsOf(identity, options)
    return Promise.all(
      credentials.map(async (credential) => {
        const operation: ImdsOperation = credential.kind === 'managed' ? 'adal_token_msi_userassignedid' : 'adal_token'
        const request = { cloud, resource, owner: identity.metadata.namespace }
        try {
          return await metrics.token(operation, () =>
            source.get(JSON.stringify([key, credential.tenantId]), credential, request),
          )
        } catch (error) {
          throw tokenRefusal(error)
        }
      }),
    )
  }
}

/** The public cloud, with the authority of `adEndpoint` if that is an allowed one: the identity's secret is sent there. */
function cloudOf(identity: AzureIdentity, allowedAuthorities: readonly string[]): Cloud {
  const cloud = findCloud('')
  if (cloud === undefined) throw new Error('the table of clouds lacks the public cloud')
  const { adEndpoint = '' } = identity.spec
  if (adEndpoint === '') return cloud
  const authority = normalizeAuthority(adEndpoint)
  const known = cloudNames.flatMap((name) => findCloud(name)?.authority ?? [])
  const allowed = [...known, ...allowedAuthorities].map(normalizeAuthority)
  if (authority !== undefined && allowed.includes(authority)) return { ...cloud, authority }
  throw new ImdsRefusal(
    403,
    'forbidden',
    `AzureIdentity ${objectKey(identity)}: spec.adEndpoint: found "${adEndpoint.slice(0, 200)}", expected ${known.join(', ')}, or a URL of --allowed-authorities`,
  )
}

/** An https URL in one spelling, without trailing slashes; undefined for any other text. */
export function normalizeAuthority(text: string): string | undefined {
  if (text.length > 2048 || !URL.canParse(text)) return undefined
  const { protocol, host, pathname, username, password, search, hash } = new URL(text)
  if (protocol !== 'https:' || username !== '' || password !== '' || search !== '' || hash !== '') return undefined
  const segments = pathname.split('/').filter((segment) => segment !== '')
  return [`https://${host}`, ...segments].join('/')
}

/** With a key that distinguishes the identity: callers share tokens only if they would get the same ones anyway. */
async function credentialsOf(
  identity: AzureIdentity,
  options: IdentityTokensOptions,
): Promise<{ key: string; credentials: Credential[] }> {
  const { clientID: clientId = '', tenantID: tenantId = '', auxiliaryTenantIDs } = identity.spec
  const type = typeOf(identity)
  // Without a client id IMDS would give the token of the machine's own identity.
  if (clientId === '') {
    throw new ImdsRefusal(403, 'forbidden', `AzureIdentity ${objectKey(identity)}: spec.clientID is empty`)
  }
  if (type === identityTypes.userAssigned) {
    return { key: JSON.stringify([type, clientId]), credentials: [{ kind: 'managed', tenantId, clientId }] }
  }
  if (type !== identityTypes.servicePrincipal && type !== identityTypes.servicePrincipalCertificate) {
    throw unavailable(`AzureIdentity ${objectKey(identity)}: unsupported identity type ${type}`)
  }
  const secret = await secretOf(identity, options)
  const proof = type === identityTypes.servicePrincipal ? passwordOf(identity, secret) : certificateOf(identity, secret)
  const { uid = '', resourceVersion = '' } = secret.metadata
  const tenants = [tenantId, ...(auxiliaryTenantIDs ?? [])]
  const { auxiliaryTenants: limit } = nmiLimits
  if (tenants.length - 1 > limit.value) {
    const message = `AzureIdentity ${objectKey(identity)}: ${beyondLimit(limit, tenants.length - 1)}`
    throw new ImdsRefusal(403, 'forbidden', message)
  }
  return {
    key: JSON.stringify([type, clientId, objectKey(secret), uid, resourceVersion]),
    credentials: tenants.map((tenant) => ({ kind: 'service-principal', tenantId: tenant, clientId, proof })),
  }
}

/**
 * The Secret of `clientPassword`. It must be in the AzureIdentity's own namespace: we read it with our rights, and a user who
 * may write an AzureIdentity in one namespace need not have any right in another.
 */
async function secretOf(
  identity: AzureIdentity,
  { kube, metrics, allowCrossNamespaceSecrets }: IdentityTokensOptions,
): Promise<Secret> {
  const { namespace: own = '' } = identity.metadata
  const { name = '', namespace: named = '' } = identity.spec.clientPassword ?? {}
  const namespace = named || own
  if (namespace !== own && !allowCrossNamespaceSecrets) {
    throw new ImdsRefusal(
      403,
      'forbidden',
      `AzureIdentity ${objectKey(identity)}: spec.clientPassword.namespace: found "${namespace}", expected "${own}", the namespace of the AzureIdentity (--allow-cross-namespace-secrets permits others in standard mode)`,
    )
  }
  try {
    return await kube.get(resources.secrets, { namespace, name })
  } catch (error) {
    metrics.kubernetesFailed('get_secret')
    const why = isNotFound(error) ? 'there is no such Secret' : errorMessage(error)
    throw unavailable(`AzureIdentity ${objectKey(identity)}: spec.clientPassword ${namespace}/${name}: ${why}`, error)
  }
}

/** The keys that upstream documents, and no others. https://azure.github.io/aad-pod-identity/docs/configure/service_principal/ */
function passwordOf(identity: AzureIdentity, secret: Secret) {
  const { clientSecret } = secret.data ?? {}
  if (clientSecret === undefined) throw missingKey(identity, secret, 'clientSecret')
  return { kind: 'secret', secret: decode(clientSecret) } as const
}

function certificateOf(identity: AzureIdentity, secret: Secret) {
  const { certificate, password } = secret.data ?? {}
  if (certificate === undefined) throw missingKey(identity, secret, 'certificate')
  return {
    kind: 'certificate',
    // As the wire has it: a PFX file in base64.
    certificate: SecretValue.of(certificate),
    password: password === undefined ? undefined : decode(password),
  } as const
}

function missingKey(identity: AzureIdentity, secret: Secret, key: string): ImdsRefusal {
  return unavailable(`AzureIdentity ${objectKey(identity)}: the Secret ${objectKey(secret)} has no key ${key}`)
}

function decode(base64: string): SecretValue {
  return SecretValue.of(Buffer.from(base64, 'base64'))
}

/** 403 when Entra or IMDS refused; 503 when neither answered. */
function tokenRefusal(error: unknown): ImdsRefusal {
  const text = `failed to get service principal token, error: ${errorMessage(error)}`
  const refused = error instanceof IdentityError && !error.retryable
  return refused ? new ImdsRefusal(403, 'forbidden', text, { cause: error }) : unavailable(text, error)
}

function unavailable(message: string, cause?: unknown): ImdsRefusal {
  return new ImdsRefusal(503, 'service_unavailable', message, { cause })
}
