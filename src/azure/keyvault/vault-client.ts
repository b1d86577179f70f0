import { SecretValue } from '#lib'
import type { HttpResponse, HttpSend } from '#lib/http'
import { type Collection, type ObjectRef, singular, versionOfId } from './object-id.ts'
import type { Vault } from './vault-address.ts'
import { answerError, transportError, VaultError } from './vault-error.ts'
import type {
  CertificateBundleWire,
  JsonWebKeyWire,
  KeyBundleWire,
  ObjectAttributes,
  SecretBundleWire,
  VersionItemWire,
  VersionListWire,
} from './wire.ts'

/** REST version of the field; every cloud, Azure Stack Hub included, serves it. */
const apiVersion = '7.4'

/** Who asks. */
export interface VaultAuth {
  token(): Promise<SecretValue>
  /** Told when the vault did not accept that token; the next `token()` is asked for another one. */
  refused(token: SecretValue): void
  /** For whom the token was made, for example `https://vault.azure.net`. */
  resource: string
}

export interface Secret {
  value: SecretValue
  version: string
  contentType: string | undefined
  /** Whether the secret backs a certificate. */
  ofCertificate: boolean
  attributes: ObjectAttributes
}

export interface Key {
  jwk: JsonWebKeyWire
  version: string
  attributes: ObjectAttributes
}

export interface Certificate {
  der: Uint8Array
  version: string
  attributes: ObjectAttributes
}

export interface ObjectVersionInfo {
  version: string
  enabled: boolean
  /** Seconds since the epoch; 0 when the vault does not say. */
  created: number
}

/** Each call is one request (paging aside) and throws {@link VaultError}. */
export interface VaultClient {
  getSecret(vault: Vault, name: string, version: string, auth: VaultAuth): Promise<Secret>
  getKey(vault: Vault, name: string, version: string, auth: VaultAuth): Promise<Key>
  getCertificate(vault: Vault, name: string, version: string, auth: VaultAuth): Promise<Certificate>
  listVersions(vault: Vault, collection: Collection, name: string, auth: VaultAuth): Promise<ObjectVersionInfo[]>
}

export interface VaultClientOptions {
  send: HttpSend
  /** Sent with every request. */
  userAgent?: string
}

export function createVaultClient({ send, userAgent = 'keymount' }: VaultClientOptions): VaultClient {
  async function request(vault: Vault, url: URL, auth: VaultAuth): Promise<HttpResponse> {
    for (let attempt = 1; ; attempt++) {
      const token = await auth.token()
      const headers = {
        authorization: `Bearer ${token.revealText()}`,
        accept: 'application/json',
        'user-agent': userAgent,
      }
      const response = await send({ url, headers }).catch((error: unknown) => {
        throw transportError(vault, error)
      })
      if (response.status !== 401) return response
      checkChallenge(vault, response, auth)
      auth.refused(token)
      // A held token may have been revoked: one more try with a fresh one, never more.
      if (attempt === 2) return response
    }
  }

  async function get<T>(vault: Vault, ref: ObjectRef, auth: VaultAuth): Promise<T> {
    const response = await request(vault, objectUrl(vault, ref), auth)
    if (response.status === 404 && (await isDeleted(vault, ref, auth))) throw deletedError(vault, ref)
    if (response.status !== 200) throw answerError(vault, ref, response)
    return parseAnswer(vault, response.body) as T
  }

  /** A vault answers 404 for what never was and for what was deleted; only this tells the two apart. */
  async function isDeleted(vault: Vault, ref: ObjectRef, auth: VaultAuth): Promise<boolean> {
    const url = versioned(new URL(`/deleted${ref.collection}/${encodeURIComponent(ref.name)}`, vault.origin))
    const response = await request(vault, url, auth).catch(() => undefined)
    return response?.status === 200
  }

  return {
    async getSecret(vault, name, version, auth) {
      const bundle = await get<SecretBundleWire>(vault, { collection: 'secrets', name, version }, auth)
      return {
        value: SecretValue.of(required(vault, bundle.value, 'secret value is nil')),
        version: versionOfId(required(vault, bundle.id, 'secret id is nil')),
        contentType: bundle.contentType,
        ofCertificate: bundle.kid !== undefined && bundle.kid !== '',
        attributes: bundle.attributes ?? {},
      }
    },
    async getKey(vault, name, version, auth) {
      const bundle = await get<KeyBundleWire>(vault, { collection: 'keys', name, version }, auth)
      const jwk = required(vault, bundle.key, 'key value is nil')
      return {
        jwk,
        version: versionOfId(required(vault, jwk.kid, 'key id is nil')),
        attributes: bundle.attributes ?? {},
      }
    },
    async getCertificate(vault, name, version, auth) {
      const bundle = await get<CertificateBundleWire>(vault, { collection: 'certificates', name, version }, auth)
      return {
        der: Buffer.from(required(vault, bundle.cer, 'certificate value is nil'), 'base64'),
        version: versionOfId(required(vault, bundle.id, 'certificate id is nil')),
        attributes: bundle.attributes ?? {},
      }
    },
    async listVersions(vault, collection, name, auth) {
      const ref = { collection, name, version: '' }
      const found: VersionItemWire[] = []
      let next: URL | undefined = versioned(
        new URL(`/${collection}/${encodeURIComponent(name)}/versions`, vault.origin),
      )
      while (next !== undefined) {
        const response: HttpResponse = await request(vault, next, auth)
        if (response.status !== 200) throw answerError(vault, ref, response)
        const page = parseAnswer(vault, response.body) as VersionListWire
        found.push(...(page.value ?? []))
        next = nextPage(vault, page.nextLink)
      }
      return found.filter((item) => item.attributes !== undefined).map(versionInfo)
    },
  }
}

function objectUrl(vault: Vault, { collection, name, version }: ObjectRef): URL {
  return versioned(new URL(`/${collection}/${encodeURIComponent(name)}/${encodeURIComponent(version)}`, vault.origin))
}

function versioned(url: URL): URL {
  url.searchParams.set('api-version', apiVersion)
  return url
}

/** The token goes along with the next request, so the vault may not send us to another host. */
function nextPage(vault: Vault, link: string | null | undefined): URL | undefined {
  if (link === undefined || link === null || link === '') return undefined
  const url = URL.canParse(link) ? new URL(link) : undefined
  if (url === undefined || url.origin !== new URL(vault.origin).origin) {
    throw new VaultError(
      'vault-answer-invalid',
      `vault "${vault.name}" (${vault.origin}) sends us to another host for the next page of a list; refused`,
    )
  }
  return url
}

function versionInfo({ id, kid, attributes = {} }: VersionItemWire): ObjectVersionInfo {
  return {
    version: versionOfId(kid ?? id ?? ''),
    enabled: attributes.enabled !== false,
    created: attributes.created ?? 0,
  }
}

/**
 * A vault that wants a token for something else than its own domain is no vault of this cloud: a token for what it asks
 * would work elsewhere. https://aka.ms/azsdk/blog/vault-uri
 */
function checkChallenge(vault: Vault, { headers }: HttpResponse, auth: VaultAuth): void {
  const challenge = headers['www-authenticate'] ?? ''
  const wanted = /(?:resource|scope)="?([^",\s]+)/i.exec(challenge)?.[1]?.replace(/\/\.default$/, '')
  if (wanted === undefined || !URL.canParse(wanted)) return
  const host = new URL(vault.origin).host
  const resourceHost = new URL(wanted).host
  if (host.endsWith(`.${resourceHost}`) || resourceHost === new URL(auth.resource).host) return
  throw new VaultError(
    'vault-challenge-refused',
    `challenge resource "${wanted}" doesn't match the requested domain ${host}; refused to sign in for it`,
  )
}

function deletedError(vault: Vault, ref: ObjectRef): VaultError {
  const kind = singular(ref.collection)
  const recover = `az keyvault ${kind} recover --vault-name ${vault.name} --name ${ref.name}`
  return new VaultError(
    'vault-object-deleted',
    `${kind} "${ref.name}" of vault "${vault.name}" (${vault.origin}) is deleted and can be recovered: ${recover}; RESPONSE 404`,
  )
}

function parseAnswer(vault: Vault, body: Buffer): unknown {
  try {
    const parsed: unknown = JSON.parse(body.toString('utf8'))
    if (typeof parsed === 'object' && parsed !== null) return parsed
  } catch {
    // The parser's message quotes the text, which may be a secret.
  }
  throw new VaultError(
    'vault-answer-invalid',
    `vault "${vault.name}" (${vault.origin}) did not answer with a JSON object`,
  )
}

function required<T>(vault: Vault, value: T | undefined | null, words: string): T {
  if (value !== undefined && value !== null) return value
  throw new VaultError('vault-answer-invalid', `${words}, in the answer of vault "${vault.name}" (${vault.origin})`)
}
