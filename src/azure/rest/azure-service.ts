import type { Clock } from '#lib'
import { parseJson } from '#lib/formats'
import type { HttpRequest, HttpResponse, HttpSend } from '#lib/http'
import { AzureRestError, azureError, isAzureNotFound } from './azure-error.ts'
import type { AzureTokens } from './entra-tokens.ts'
import { awaitOperation } from './long-operation.ts'

export interface AzureCallOptions {
  /** `api-version` of Resource Manager and of vaults; Graph has none. */
  apiVersion?: string | undefined
  /** Further parameters of the query, for example `$filter`. */
  query?: Readonly<Record<string, string>> | undefined
  signal?: AbortSignal | undefined
  /** As `az --no-wait`: gives Azure's first answer to a change, without waiting for its end. */
  noWait?: boolean | undefined
}

/**
 * One REST service of Azure. `T` is what the caller expects of the JSON that comes back; nothing checks it. Every method
 * rejects with {@link AzureRestError} when Azure refuses, and with `HttpFault` when there is no answer.
 */
export interface AzureService {
  get<T>(path: string, options?: AzureCallOptions): Promise<T>
  /** Undefined when it does not exist. */
  find<T>(path: string, options?: AzureCallOptions): Promise<T | undefined>
  /** All pages of a list. */
  list<T>(path: string, options?: AzureCallOptions): Promise<T[]>
  put<T>(path: string, body: unknown, options?: AzureCallOptions): Promise<T>
  patch<T>(path: string, body: unknown, options?: AzureCallOptions): Promise<T>
  post<T>(path: string, body: unknown, options?: AzureCallOptions): Promise<T>
  /** False when it was gone already. */
  delete(path: string, options?: AzureCallOptions): Promise<boolean>
}

export interface AzureServiceOptions {
  /** Paths are appended to it. */
  base: URL
  resource: string
  /** Resource Manager answers 204 to a DELETE of what does not exist; for Graph 204 is the success. */
  noContentMeansGone: boolean
  tokens: AzureTokens
  send: HttpSend
  clock: Clock
  /** Of calls that have none. */
  signal?: AbortSignal | undefined
  operationTimeoutMs: number
}

interface Page<T> {
  value?: T[]
  /** Resource Manager and Key Vault. */
  nextLink?: string | null
  /** OData, which Graph speaks. */
  '@odata.nextLink'?: string
}

type Method = NonNullable<HttpRequest['method']>

/** A list of Azure is followed for no more pages than this. */
const maxPages = 1000

export function createAzureService(options: AzureServiceOptions): AzureService {
  return {
    get: (path, call = {}) => read(options, urlOf(options, path, call), signalOf(options, call)),
    find: (path, call = {}) => orUndefined(read(options, urlOf(options, path, call), signalOf(options, call))),
    list: (path, call = {}) => readAll(options, urlOf(options, path, call), signalOf(options, call)),
    put: async (path, body, call = {}) => jsonOf(await change(options, 'PUT', path, call, body)),
    patch: async (path, body, call = {}) => jsonOf(await change(options, 'PATCH', path, call, body)),
    post: async (path, body, call = {}) => jsonOf(await change(options, 'POST', path, call, body)),
    async delete(path, call = {}) {
      const answer = await orUndefined(change(options, 'DELETE', path, call))
      return answer !== undefined && !(options.noContentMeansGone && answer.status === 204)
    },
  }
}

function signalOf(options: AzureServiceOptions, call: AzureCallOptions): AbortSignal | undefined {
  return call.signal ?? options.signal
}

async function orUndefined<T>(call: Promise<T>): Promise<T | undefined> {
  try {
    return await call
  } catch (error) {
    if (isAzureNotFound(error)) return undefined
    throw error
  }
}

function urlOf({ base }: AzureServiceOptions, path: string, { apiVersion, query = {} }: AzureCallOptions): URL {
  const url = new URL(`${base.href.replace(/\/$/, '')}${path}`)
  if (apiVersion !== undefined) url.searchParams.set('api-version', apiVersion)
  for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value)
  return url
}

async function readAll<T>(options: AzureServiceOptions, first: URL, signal: AbortSignal | undefined): Promise<T[]> {
  const items: T[] = []
  let next: URL | undefined = first
  for (let pages = 0; next !== undefined; pages++) {
    if (pages >= maxPages) throw unusable(options, 'EndlessList', `the list has more than ${maxPages} pages`)
    const page: Page<T> = await read<Page<T>>(options, next, signal)
    items.push(...(page.value ?? []))
    const link = page.nextLink ?? page['@odata.nextLink'] ?? ''
    next = link === '' ? undefined : follow(options, link)
  }
  return items
}

/** A link that Azure sends is followed on its own host only: the token must not travel to another host. */
function follow(options: AzureServiceOptions, link: string): URL {
  const url = new URL(link, options.base)
  if (url.origin === options.base.origin) return url
  throw unusable(options, 'UnexpectedLink', `the answer leads to another host: ${url.host}`)
}

function unusable({ base }: AzureServiceOptions, code: string, text: string): AzureRestError {
  return new AzureRestError(`GET ${base.host}`, { status: 0, code, text })
}

/** Asks for a change and waits until Azure has finished it. */
async function change(
  options: AzureServiceOptions,
  method: Method,
  path: string,
  call: AzureCallOptions,
  body?: unknown,
): Promise<HttpResponse> {
  const { noWait = false } = call
  const signal = signalOf(options, call)
  const url = urlOf(options, path, call)
  const answer = await sendTo(options, method, url, signal, body)
  if (noWait) return answer
  return awaitOperation(answer, {
    what: `${method} ${url.host}${url.pathname}`,
    method,
    url,
    ask: (link) => sendTo(options, 'GET', follow(options, link), signal),
    clock: options.clock,
    timeoutMs: options.operationTimeoutMs,
    signal,
  })
}

async function read<T>(options: AzureServiceOptions, url: URL, signal: AbortSignal | undefined): Promise<T> {
  return jsonOf<T>(await sendTo(options, 'GET', url, signal))
}

async function sendTo(
  { tokens, resource, send }: AzureServiceOptions,
  method: Method,
  url: URL,
  signal: AbortSignal | undefined,
  body?: unknown,
): Promise<HttpResponse> {
  const token = await tokens.get(resource, signal)
  const headers = { authorization: `Bearer ${token.revealText()}`, accept: 'application/json' }
  const response = await send({
    method,
    url,
    headers: body === undefined ? headers : { ...headers, 'content-type': 'application/json' },
    body: body === undefined ? undefined : JSON.stringify(body),
    signal,
  })
  if (response.status >= 200 && response.status < 300) return response
  throw azureError(`${method} ${url.host}${url.pathname}`, response)
}

function jsonOf<T>({ body }: HttpResponse): T {
  return (body.length === 0 ? {} : parseJson('the answer of Azure', body)) as T
}
