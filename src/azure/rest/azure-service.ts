import type { Clock } from '#lib'
import type { HttpRequest, HttpResponse, HttpSend } from '#lib/http'
import { AzureRestError, azureError, isAzureNotFound } from './azure-error.ts'
import type { AzureTokens } from './entra-tokens.ts'
import { awaitOperation } from './long-operation.ts'

export interface CallOptions {
  /** `api-version` of Resource Manager and of vaults; Graph has none. */
  apiVersion?: string
  /** Further parameters of the query, for example `$filter`. */
  query?: Readonly<Record<string, string>>
  signal?: AbortSignal | undefined
  /** As `az --no-wait`: gives Azure's first answer to a change, and leaves it to go on. */
  noWait?: boolean
}

/**
 * One REST service of Azure. `T` is what the caller expects of the JSON that comes back; nothing checks it. Every method
 * rejects with {@link AzureRestError} when Azure refuses, and with `HttpFault` when there is no answer.
 */
export interface AzureService {
  get<T>(path: string, options?: CallOptions): Promise<T>
  /** Undefined when Azure says that it is not there. */
  find<T>(path: string, options?: CallOptions): Promise<T | undefined>
  /** All pages of a list. */
  list<T>(path: string, options?: CallOptions): Promise<T[]>
  put<T>(path: string, body: unknown, options?: CallOptions): Promise<T>
  patch<T>(path: string, body: unknown, options?: CallOptions): Promise<T>
  post<T>(path: string, body: unknown, options?: CallOptions): Promise<T>
  /** False when it was gone already. */
  delete(path: string, options?: CallOptions): Promise<boolean>
}

export interface AzureServiceOptions {
  /** Paths are appended to it. */
  base: URL
  resource: string
  /** Resource Manager answers a DELETE of what is not there with 204; for Graph 204 is the success. */
  noContentMeansGone: boolean
  tokens: AzureTokens
  send: HttpSend
  clock: Clock
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

export function createAzureService(options: AzureServiceOptions): AzureService {
  const { base, resource, noContentMeansGone, tokens, send, clock, operationTimeoutMs } = options

  function urlOf(path: string, { apiVersion, query = {} }: CallOptions): URL {
    const url = new URL(`${base.href.replace(/\/$/, '')}${path}`)
    if (apiVersion !== undefined) url.searchParams.set('api-version', apiVersion)
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value)
    return url
  }

  /** A link that Azure sends is followed on its own host only: the token must not travel to where an answer points. */
  function follow(link: string): URL {
    const url = new URL(link, base)
    if (url.origin === base.origin) return url
    const text = `the answer leads to another host: ${url.host}`
    throw new AzureRestError(`GET ${base.host}`, { status: 0, code: 'UnexpectedLink', text })
  }

  async function call(
    method: Method,
    url: URL,
    signal: AbortSignal | undefined,
    body?: unknown,
  ): Promise<HttpResponse> {
    const token = await tokens.get(resource, signal)
    const response = await send({
      method,
      url,
      headers: {
        authorization: `Bearer ${token.revealText()}`,
        accept: 'application/json',
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal,
    })
    if (response.status >= 200 && response.status < 300) return response
    throw azureError(`${method} ${url.host}${url.pathname}`, response)
  }

  async function read<T>(url: URL, signal: AbortSignal | undefined): Promise<T> {
    return jsonOf<T>(await call('GET', url, signal))
  }

  /** Asks for a change and waits until Azure is done with it. */
  async function change(method: Method, path: string, options: CallOptions, body?: unknown): Promise<HttpResponse> {
    const { signal, noWait = false } = options
    const url = urlOf(path, options)
    const answer = await call(method, url, signal, body)
    if (noWait) return answer
    return awaitOperation(answer, {
      what: `${method} ${url.host}${url.pathname}`,
      method,
      url,
      ask: (link) => call('GET', follow(link), signal),
      clock,
      timeoutMs: operationTimeoutMs,
      signal,
    })
  }

  const service: AzureService = {
    get: (path, options = {}) => read(urlOf(path, options), options.signal),
    async find(path, options = {}) {
      try {
        return await service.get(path, options)
      } catch (error) {
        if (isAzureNotFound(error)) return undefined
        throw error
      }
    },
    async list<T>(path: string, options: CallOptions = {}) {
      const items: T[] = []
      let next: URL | undefined = urlOf(path, options)
      while (next !== undefined) {
        const page: Page<T> = await read<Page<T>>(next, options.signal)
        items.push(...(page.value ?? []))
        const link = page.nextLink ?? page['@odata.nextLink'] ?? ''
        next = link === '' ? undefined : follow(link)
      }
      return items
    },
    put: async (path, body, options = {}) => jsonOf(await change('PUT', path, options, body)),
    patch: async (path, body, options = {}) => jsonOf(await change('PATCH', path, options, body)),
    post: async (path, body, options = {}) => jsonOf(await change('POST', path, options, body)),
    async delete(path, options = {}) {
      try {
        const { status } = await change('DELETE', path, options)
        return !(noContentMeansGone && status === 204)
      } catch (error) {
        if (isAzureNotFound(error)) return false
        throw error
      }
    },
  }
  return service
}

function jsonOf<T>({ body }: HttpResponse): T {
  const text = body.toString('utf8')
  return (text === '' ? {} : JSON.parse(text)) as T
}
