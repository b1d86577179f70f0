import { parseJson } from '#lib/formats'
import type { KubeConfig } from './kube-config.ts'
import { KubeError } from './kube-error.ts'
import type { KubeObject, TokenRequest } from './objects.ts'
import { apiVersionOf, pathOf, type Resource, resources } from './resources.ts'
import { createTransport, readBody, type TransportRequest, type TransportResponse } from './transport.ts'

export interface ObjectRef {
  name: string
  /** Required for namespaced resources. */
  namespace?: string | undefined
}

export interface Selectors {
  /** All namespaces when absent. */
  namespace?: string | undefined
  /** `a=b,c in (d,e)`. */
  labelSelector?: string | undefined
  /** `spec.nodeName=n1`. */
  fieldSelector?: string | undefined
}

export interface WriteOptions {
  fieldManager?: string
  dryRun?: boolean
  subresource?: string
}

export interface ApplyOptions extends WriteOptions {
  fieldManager: string
  /** Takes fields over from other managers. Default true for our own objects. */
  force?: boolean
}

export interface DeleteOptions {
  gracePeriodSeconds?: number
  /** Deletes only the object with this uid. */
  uid?: string
  propagationPolicy?: 'Foreground' | 'Background' | 'Orphan'
}

export interface ObjectList<T> {
  items: T[]
  resourceVersion: string
}

export type WatchEvent<T> =
  | { type: 'ADDED' | 'MODIFIED' | 'DELETED'; object: T }
  | { type: 'BOOKMARK'; object: KubeObject }
  | { type: 'ERROR'; object: { code?: number; message?: string; reason?: string } }

const patchTypes = {
  merge: 'application/merge-patch+json',
  json: 'application/json-patch+json',
  strategic: 'application/strategic-merge-patch+json',
} as const

/**
 * The Kubernetes API as Keymount uses it: one typed call per verb. Every method rejects with {@link KubeError};
 * `close` ends the kept-alive connections.
 */
export interface KubeClient {
  readonly server: string
  get<T extends KubeObject>(resource: Resource<T>, ref: ObjectRef): Promise<T>
  /** All pages. */
  list<T extends KubeObject>(resource: Resource<T>, selectors?: Selectors): Promise<ObjectList<T>>
  create<T extends KubeObject>(resource: Resource<T>, object: T, options?: WriteOptions): Promise<T>
  /** Replaces an object; with a resourceVersion in it, only that version. */
  replace<T extends KubeObject>(resource: Resource<T>, object: T, options?: WriteOptions): Promise<T>
  patch<T extends KubeObject>(
    resource: Resource<T>,
    ref: ObjectRef,
    patch: unknown,
    options?: WriteOptions & { type?: keyof typeof patchTypes },
  ): Promise<T>
  /** Server-side apply. https://kubernetes.io/docs/reference/using-api/server-side-apply/ */
  apply<T extends KubeObject>(resource: Resource<T>, object: T, options: ApplyOptions): Promise<T>
  delete<T extends KubeObject>(resource: Resource<T>, ref: ObjectRef, options?: DeleteOptions): Promise<void>
  /** One watch request from a resourceVersion until the server ends it or the signal aborts. See `follow` for the loop. */
  watch<T extends KubeObject>(
    resource: Resource<T>,
    options: Selectors & { resourceVersion: string; timeoutSeconds?: number; signal?: AbortSignal },
  ): AsyncGenerator<WatchEvent<T>>
  /** A token of a service account. */
  createToken(
    serviceAccount: { name: string; namespace: string },
    spec: {
      audiences: string[]
      expirationSeconds?: number
      boundObjectRef?: { kind: string; apiVersion: string; name: string; uid: string }
    },
  ): Promise<TokenRequest>
  /** Any other request; the body is the answer's text. */
  raw(request: TransportRequest): Promise<string>
  close(): void
}

export function createKubeClient(config: KubeConfig, options: { userAgent?: string } = {}): KubeClient {
  const { userAgent = 'keymount' } = options
  const transport = createTransport(config)

  async function send(request: TransportRequest): Promise<TransportResponse> {
    const what = `${request.method} ${pathWithoutQuery(request)}`
    const response = await transport.send({ ...request, headers: { 'user-agent': userAgent, ...request.headers } })
    if (response.status >= 200 && response.status < 300) return response
    throw KubeError.fromResponse(what, response.status, await readBody(response.body), response.headers['retry-after'])
  }

  async function json<T>(request: TransportRequest): Promise<T> {
    const response = await send(request)
    const text = await readBody(response.body)
    return parseJson(`the answer to ${request.method} ${pathWithoutQuery(request)}`, text) as T
  }

  function write<T extends KubeObject>(
    method: string,
    path: string,
    body: unknown,
    { fieldManager, dryRun }: WriteOptions,
    extra: { contentType?: string; force?: boolean } = {},
  ): Promise<T> {
    const query = queryOf({ fieldManager, dryRun: dryRun === true ? 'All' : undefined, force: extra.force })
    const headers = { 'content-type': extra.contentType ?? 'application/json' }
    return json<T>({ method, path: `${path}${query}`, headers, body: JSON.stringify(body) })
  }

  const refOf = ({ metadata }: KubeObject): ObjectRef => ({ name: metadata.name ?? '', namespace: metadata.namespace })

  return {
    server: config.server,
    get: (resource, ref) => json({ method: 'GET', path: pathOf(resource, ref) }),

    async list<T extends KubeObject>(resource: Resource<T>, selectors: Selectors = {}) {
      const items: T[] = []
      let resourceVersion = ''
      let token: string | undefined
      do {
        const query = queryOf({ ...selectorQuery(selectors), limit: 500, continue: token })
        const path = `${pathOf(resource, { namespace: selectors.namespace })}${query}`
        const page = await json<{ items: T[] | null; metadata: { resourceVersion?: string; continue?: string } }>({
          method: 'GET',
          path,
        })
        // Items of a list carry no apiVersion and kind of their own.
        for (const item of page.items ?? [])
          items.push({ ...item, apiVersion: apiVersionOf(resource), kind: resource.kind })
        resourceVersion = page.metadata.resourceVersion ?? ''
        token = page.metadata.continue
      } while (token !== undefined && token !== '')
      return { items, resourceVersion }
    },

    create: (resource, object, writeOptions = {}) =>
      write(
        'POST',
        pathOf(resource, { namespace: object.metadata.namespace, ...nameless(writeOptions, object) }),
        object,
        writeOptions,
      ),

    replace: (resource, object, writeOptions = {}) =>
      write('PUT', pathOf(resource, { ...refOf(object), subresource: writeOptions.subresource }), object, writeOptions),

    patch: (resource, ref, patch, patchOptions = {}) =>
      write('PATCH', pathOf(resource, { ...ref, subresource: patchOptions.subresource }), patch, patchOptions, {
        contentType: patchTypes[patchOptions.type ?? 'merge'],
      }),

    apply: (resource, object, applyOptions) =>
      write(
        'PATCH',
        pathOf(resource, { ...refOf(object), subresource: applyOptions.subresource }),
        object,
        applyOptions,
        {
          // JSON is YAML.
          contentType: 'application/apply-patch+yaml',
          force: applyOptions.force ?? true,
        },
      ),

    async delete(resource, ref, { gracePeriodSeconds, uid, propagationPolicy } = {}) {
      const body = {
        apiVersion: 'v1',
        kind: 'DeleteOptions',
        gracePeriodSeconds,
        propagationPolicy,
        ...(uid === undefined ? {} : { preconditions: { uid } }),
      }
      const headers = { 'content-type': 'application/json' }
      await json({ method: 'DELETE', path: pathOf(resource, ref), headers, body: JSON.stringify(body) })
    },

    async *watch<T extends KubeObject>(
      resource: Resource<T>,
      watchOptions: Selectors & { resourceVersion: string; timeoutSeconds?: number; signal?: AbortSignal },
    ) {
      const { resourceVersion, timeoutSeconds, signal } = watchOptions
      const query = queryOf({
        ...selectorQuery(watchOptions),
        watch: true,
        allowWatchBookmarks: true,
        resourceVersion,
        timeoutSeconds,
      })
      const path = `${pathOf(resource, { namespace: watchOptions.namespace })}${query}`
      const { body } = await send({ method: 'GET', path, signal, streaming: true })
      for await (const line of lines(body))
        yield parseJson(`an event of the watch on ${resource.plural}`, line) as WatchEvent<T>
    },

    async createToken({ name, namespace }, spec) {
      const path = pathOf(resources.serviceAccounts, { name, namespace, subresource: 'token' })
      const body = JSON.stringify({ apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec })
      const headers = { 'content-type': 'application/json' }
      const answer = await json<{ status: TokenRequest }>({ method: 'POST', path, headers, body })
      return { token: answer.status.token, expirationTimestamp: answer.status.expirationTimestamp }
    },

    async raw(request) {
      const response = await send(request)
      return readBody(response.body)
    },

    close: transport.close,
  }
}

function pathWithoutQuery({ path }: TransportRequest): string {
  return path.split('?', 1)[0] ?? ''
}

function nameless(
  options: WriteOptions,
  object: KubeObject,
): { name?: string | undefined; subresource?: string | undefined } {
  return options.subresource === undefined ? {} : { name: object.metadata.name, subresource: options.subresource }
}

function selectorQuery({ labelSelector, fieldSelector }: Selectors): Record<string, string | undefined> {
  return { labelSelector, fieldSelector }
}

function queryOf(parameters: Record<string, string | number | boolean | undefined>): string {
  const query = new URLSearchParams()
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== undefined) query.set(name, String(value))
  }
  const text = query.toString()
  return text === '' ? '' : `?${text}`
}

/** Non-empty lines of a stream. */
async function* lines(stream: AsyncIterable<Buffer | string>): AsyncGenerator<string> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const chunk of stream) {
    rest += typeof chunk === 'string' ? chunk : decoder.decode(chunk, { stream: true })
    const parts = rest.split('\n')
    rest = parts.pop() ?? ''
    for (const part of parts) if (part !== '') yield part
  }
  if (rest !== '') yield rest
}
