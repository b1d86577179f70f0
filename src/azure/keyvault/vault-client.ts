import { beyondLimit, type Clock, type Limit, type SecretValue, systemClock } from '#lib'
import type { HttpResponse, HttpSend } from '#lib/http'
import { type ApiVersions, createApiVersions } from './api-versions.ts'
import { challengeResource } from './challenge.ts'
import type { Collection, VaultObjectRef } from './object-id.ts'
import {
  type AnswerReader,
  type ListedObject,
  type ObjectDetails,
  type ObjectVersionInfo,
  readAnswer,
  readCertificate,
  readDetails,
  readKey,
  readListed,
  readSecret,
  readVersion,
  type VaultCertificate,
  type VaultKey,
  type VaultSecret,
} from './read-answer.ts'
import type { Vault } from './vault-address.ts'
import { answerError, deletedError, pendingError, transportError, VaultError } from './vault-error.ts'
import { vaultLimits } from './vault-limits.ts'

/** Who asks. */
export interface VaultAuth {
  /** For whom tokens are made, for example `https://vault.azure.net`, until a vault asks for another one of its own domain. */
  resource: string
  token(resource: string): Promise<SecretValue>
  /** Called when the vault did not accept that token; the next `token()` is to be another one. */
  refused(token: SecretValue): void
  /** Sends one request to a vault when it is the caller's turn; signing in takes no turn. Default: at once. */
  inTurn?<T>(origin: string, request: () => Promise<T>): Promise<T>
}

/** Each call is one request (paging aside) and throws {@link VaultError}. */
export interface VaultClient {
  getSecret(vault: Vault, name: string, version: string, auth: VaultAuth): Promise<VaultSecret>
  getKey(vault: Vault, name: string, version: string, auth: VaultAuth): Promise<VaultKey>
  getCertificate(vault: Vault, name: string, version: string, auth: VaultAuth): Promise<VaultCertificate>
  listVersions(vault: Vault, collection: Collection, name: string, auth: VaultAuth): Promise<ObjectVersionInfo[]>
  /** The metadata of all objects of a kind: {@link objectsPerPage} for each request. */
  listObjects(vault: Vault, collection: Collection, auth: VaultAuth): Promise<ListedObject[]>
  /** The same with tags, for a choice among all. @param onBytes called with what each page adds to memory; may throw */
  listDetails(
    vault: Vault,
    collection: Collection,
    auth: VaultAuth,
    onBytes?: (bytes: number) => void,
  ): Promise<ObjectDetails[]>
}

export interface VaultClientOptions {
  send: HttpSend
  /** Sent with every request. */
  userAgent?: string | undefined
  clock?: Clock | undefined
}

interface Calls {
  send: HttpSend
  userAgent: string
  clock: Clock
  versions: ApiVersions
  /** Resource that a vault named in its 401, by origin. */
  resources: Map<string, string>
}

export function createVaultClient({
  send,
  userAgent = 'keymount',
  clock = systemClock,
}: VaultClientOptions): VaultClient {
  const calls: Calls = { send, userAgent, clock, versions: createApiVersions(), resources: new Map() }
  return {
    getSecret: async (vault, name, version, auth) =>
      readSecret(await getObject(calls, vault, { collection: 'secrets', name, version }, auth)),
    getKey: async (vault, name, version, auth) =>
      readKey(await getObject(calls, vault, { collection: 'keys', name, version }, auth)),
    async getCertificate(vault, name, version, auth) {
      const ref: VaultObjectRef = { collection: 'certificates', name, version }
      const answer = await getObject(calls, vault, ref, auth)
      if (answer.optionalText('cer') === undefined && answer.hasRecord('pending')) throw pendingError(vault, ref)
      return readCertificate(answer)
    },
    listVersions: (vault, collection, name, auth) =>
      listVersions(calls, vault, { collection, name, version: '' }, auth),
    listObjects: (vault, collection, auth) => listObjects(calls, vault, collection, auth),
    listDetails: (vault, collection, auth, onBytes = () => {}) =>
      listDetails(calls, vault, { collection, auth, onBytes }),
  }
}

async function getObject(calls: Calls, vault: Vault, ref: VaultObjectRef, auth: VaultAuth): Promise<AnswerReader> {
  const path = `/${ref.collection}/${encodeURIComponent(ref.name)}/${encodeURIComponent(ref.version)}`
  const response = await request(calls, vault, new URL(path, vault.origin), auth)
  if (response.status === 200) return readAnswer(vault, response)
  if (response.status === 404) throw await absentError(calls, vault, ref, auth, response)
  throw answerError(vault, ref, response)
}

/** A vault answers 404 for what never was, for what was deleted, and for the secret of a certificate that is not issued yet. */
async function absentError(
  calls: Calls,
  vault: Vault,
  ref: VaultObjectRef,
  auth: VaultAuth,
  response: HttpResponse,
): Promise<VaultError> {
  const name = encodeURIComponent(ref.name)
  const answers = async (path: string) =>
    (await request(calls, vault, new URL(path, vault.origin), auth).catch(() => undefined))?.status === 200
  if (await answers(`/deleted${ref.collection}/${name}`)) return deletedError(vault, ref)
  if (ref.collection !== 'certificates' && (await answers(`/certificates/${name}/pending`)))
    return pendingError(vault, ref)
  return answerError(vault, ref, response)
}

async function listVersions(
  calls: Calls,
  vault: Vault,
  ref: VaultObjectRef,
  auth: VaultAuth,
): Promise<ObjectVersionInfo[]> {
  const path = `/${ref.collection}/${encodeURIComponent(ref.name)}/versions`
  const items = await listAll(calls, { vault, ref, path, auth, pages: vaultLimits.pages })
  return items.map(readVersion)
}

async function listObjects(
  calls: Calls,
  vault: Vault,
  collection: Collection,
  auth: VaultAuth,
): Promise<ListedObject[]> {
  const ref: VaultObjectRef = { collection, name: '', version: '' }
  const items = await listAll(calls, { vault, ref, path: `/${collection}`, auth, pages: vaultLimits.pagesOfObjects })
  return items.map(readListed).filter(({ name }) => name !== '')
}

interface DetailsOptions {
  collection: Collection
  auth: VaultAuth
  onBytes: (bytes: number) => void
}

async function listDetails(
  calls: Calls,
  vault: Vault,
  { collection, auth, onBytes }: DetailsOptions,
): Promise<ObjectDetails[]> {
  const ref: VaultObjectRef = { collection, name: '', version: '' }
  const list: List = { vault, ref, path: `/${collection}`, auth, pages: vaultLimits.pagesOfDetails }
  const { detailBytes } = vaultLimits
  const found: ObjectDetails[] = []
  let bytes = 0
  for await (const page of pagesOf(calls, list)) {
    const objects = page.map(readDetails).filter(({ name }) => name !== '')
    const added = objects.reduce((sum, object) => sum + bytesOfDetails(object), 0)
    bytes += added
    if (bytes > detailBytes.value) throw listError(list, beyondLimit(detailBytes, bytes))
    onBytes(added)
    found.push(...objects)
  }
  return found
}

/** About what it takes in memory. */
export function bytesOfDetails({ name, tags }: ObjectDetails): number {
  let bytes = 100 + name.length
  for (const [key, value] of tags) bytes += key.length + value.length + 50
  return bytes
}

interface List {
  vault: Vault
  ref: VaultObjectRef
  path: string
  auth: VaultAuth
  pages: Limit
}

async function listAll(calls: Calls, list: List): Promise<AnswerReader[]> {
  const found: AnswerReader[] = []
  for await (const page of pagesOf(calls, list)) found.push(...page)
  return found
}

async function* pagesOf(calls: Calls, list: List): AsyncGenerator<readonly AnswerReader[]> {
  const { vault, ref, path, auth } = list
  const until = calls.clock.elapsed() + vaultLimits.listMs.value
  let next: URL | undefined = new URL(path, vault.origin)
  for (let pages = 0; next !== undefined; pages++) {
    if (pages >= list.pages.value || calls.clock.elapsed() > until) throw endlessList(list, pages)
    const response = await request(calls, vault, next, auth)
    if (response.status !== 200) throw answerError(vault, ref, response)
    const page = readAnswer(vault, response)
    yield page.list('value').filter((item) => item.hasRecord('attributes'))
    next = nextPage(vault, page.optionalText('nextLink'))
  }
}

/** One request, with another token or in another version of the interface where the vault asks for it. */
async function request(calls: Calls, vault: Vault, url: URL, auth: VaultAuth): Promise<HttpResponse> {
  let resource = calls.resources.get(vault.origin) ?? auth.resource
  for (let refusals = 0; ; ) {
    const token = await auth.token(resource)
    const request = () => send(calls, vault, url, token)
    const response = await (auth.inTurn === undefined ? request() : auth.inTurn(vault.origin, request))
    if (response.status === 400 && calls.versions.lower(vault, response)) continue
    if (response.status !== 401) return response
    const wanted = challengeResource(vault, response, auth.resource) ?? resource
    auth.refused(token)
    // A held token may have been revoked: one more try with a fresh one, never more.
    if (++refusals === 2) throw unacceptedToken(vault, response, { resource, wanted })
    rememberResource(calls, vault, wanted)
    resource = wanted
  }
}

async function send({ send, userAgent, versions }: Calls, vault: Vault, url: URL, token: SecretValue) {
  const versioned = new URL(url)
  versioned.searchParams.set('api-version', versions.of(vault))
  const headers = {
    authorization: `Bearer ${token.revealText()}`,
    accept: 'application/json',
    'user-agent': userAgent,
  }
  return send({ url: versioned, headers }).catch((error: unknown) => {
    throw transportError(vault, error)
  })
}

function rememberResource({ resources }: Calls, { origin }: Vault, resource: string): void {
  if (resources.size >= vaultLimits.resources.value) resources.clear()
  resources.set(origin, resource)
}

function unacceptedToken(
  vault: Vault,
  { status }: HttpResponse,
  { resource, wanted }: { resource: string; wanted: string },
): VaultError {
  const asks = wanted === resource ? '' : `, the vault asks for ${wanted}`
  return new VaultError(
    'vault-unauthorized',
    `vault "${vault.name}" (${vault.origin}) does not accept the token, which is for ${resource}${asks}; does the vault belong to the tenant of the class; RESPONSE ${status}`,
  )
}

function endlessList(list: List, pages: number): VaultError {
  const { pages: limit } = list
  const reason =
    pages >= limit.value ? beyondLimit(limit, pages + 1) : `no end within ${vaultLimits.listMs.value / 1000} s`
  return listError(list, reason)
}

function listError({ vault, ref: { collection, name } }: List, reason: string): VaultError {
  const what = name === '' ? `list of ${collection}` : `versions of "${name}"`
  return new VaultError('vault-answer-invalid', `vault "${vault.name}" (${vault.origin}), ${what}: ${reason}`)
}

/** The next request carries the token, so the vault must not send us to another host. */
function nextPage(vault: Vault, link: string | undefined): URL | undefined {
  if (link === undefined || link === '') return undefined
  const url = URL.canParse(link) ? new URL(link) : undefined
  if (url !== undefined && url.origin === new URL(vault.origin).origin) return url
  throw new VaultError(
    'vault-answer-invalid',
    `vault "${vault.name}" (${vault.origin}) sends us to another host for the next page of a list; refused`,
  )
}
