import { type Clock, systemClock } from '#lib'
import { type ApiConnection, type CallOptions, call, callJson, clockOffset } from './api-call.ts'
import type { KubeConfig } from './kube-config.ts'
import { type ListOptions, listPages, type ObjectList } from './list-pages.ts'
import type { IssuedToken, KubeObject } from './objects.ts'
import { queryOf } from './query.ts'
import { pathOf, type Resource, resources } from './resources.ts'
import { createTransport, type Transport, type TransportRequest } from './transport.ts'
import { type WatchEvent, type WatchOptions, watchEvents } from './watch-events.ts'

export interface ObjectRef {
  name: string
  /** Required for namespaced resources. */
  namespace?: string | undefined
}

export interface WriteOptions extends CallOptions {
  fieldManager?: string | undefined
  dryRun?: boolean | undefined
  subresource?: string | undefined
}

export interface PatchOptions extends WriteOptions {
  /** Default `merge`. */
  type?: keyof typeof patchTypes | undefined
}

export interface ApplyOptions extends WriteOptions {
  fieldManager: string
  /** Takes fields over from other managers. Default true for our own objects. */
  force?: boolean | undefined
}

export interface DeleteOptions extends CallOptions {
  gracePeriodSeconds?: number | undefined
  /** Deletes only the object with this uid. */
  uid?: string | undefined
  propagationPolicy?: 'Foreground' | 'Background' | 'Orphan' | undefined
}

export interface TokenSpec {
  audiences: string[]
  expirationSeconds?: number | undefined
  boundObjectRef?: { kind: string; apiVersion: string; name: string; uid: string } | undefined
}

const patchTypes = {
  merge: 'application/merge-patch+json',
  json: 'application/json-patch+json',
  strategic: 'application/strategic-merge-patch+json',
} as const

/**
 * The Kubernetes API as Keymount uses it: one typed call per verb. Every call ends within its time and rejects with
 * `KubeError`, or with the reason of its signal; one that the server turns away with 429 or 503 and `Retry-After` is sent
 * again, at most three times.
 */
export interface KubeClient {
  readonly server: string
  /** As whom, by the kubeconfig: see `KubeConfig.userName`. */
  readonly userName?: string | undefined
  get<T extends KubeObject>(resource: Resource<T>, ref: ObjectRef, options?: CallOptions): Promise<T>
  /** All pages. */
  list<T extends KubeObject, P = T>(resource: Resource<T>, options?: ListOptions<T, P>): Promise<ObjectList<P>>
  create<T extends KubeObject>(resource: Resource<T>, object: T, options?: WriteOptions): Promise<T>
  /** Replaces an object; with a resourceVersion in it, only that version. */
  replace<T extends KubeObject>(resource: Resource<T>, object: T, options?: WriteOptions): Promise<T>
  patch<T extends KubeObject>(resource: Resource<T>, ref: ObjectRef, patch: unknown, options?: PatchOptions): Promise<T>
  /** Server-side apply. https://kubernetes.io/docs/reference/using-api/server-side-apply/ */
  apply<T extends KubeObject>(resource: Resource<T>, object: T, options: ApplyOptions): Promise<T>
  delete<T extends KubeObject>(resource: Resource<T>, ref: ObjectRef, options?: DeleteOptions): Promise<void>
  /** One watch request, until the server ends it. `follow` has the loop. */
  watch<T extends KubeObject>(resource: Resource<T>, options: WatchOptions): AsyncGenerator<WatchEvent<T>>
  /** A token of a service account. */
  createToken(
    serviceAccount: { name: string; namespace: string },
    spec: TokenSpec,
    options?: CallOptions,
  ): Promise<IssuedToken>
  /** Any other request; gives the body of the answer. */
  raw(request: TransportRequest): Promise<string>
  /** The server's clock minus ours, in milliseconds, exact to a second; undefined before the first answer. */
  clockOffsetMs(): number | undefined
  /** Ends the kept-alive connections. */
  close(): void
}

export interface KubeClientOptions {
  /** Default `keymount`. */
  userAgent?: string | undefined
  clock?: Clock | undefined
  random?: (() => number) | undefined
  /** How much later than the server the client ends a watch. Default 15,000 ms. */
  watchGraceMs?: number | undefined
  /** Default: HTTPS to the server of the configuration. */
  transport?: Transport | undefined
}

export function createKubeClient(config: KubeConfig, options: KubeClientOptions = {}): KubeClient {
  const { userAgent = 'keymount', clock = systemClock, random = Math.random, watchGraceMs = 15_000 } = options
  const transport = options.transport ?? createTransport(config)
  const connection: ApiConnection = { transport, userAgent, clock, random, watchGraceMs, serverTime: undefined }
  return {
    server: config.server,
    userName: config.userName,
    get: (resource, ref, { signal, timeoutMs } = {}) =>
      callJson(connection, { method: 'GET', path: pathOf(resource, ref), signal, timeoutMs }),
    list: (resource, options = {}) => listPages(connection, resource, options),
    create: (resource, object, writeOptions = {}) =>
      write(
        connection,
        { method: 'POST', path: pathOf(resource, creationOf(object, writeOptions)), body: object },
        writeOptions,
      ),
    replace: (resource, object, writeOptions = {}) =>
      write(
        connection,
        { method: 'PUT', path: pathOf(resource, refOf(object, writeOptions)), body: object },
        writeOptions,
      ),
    patch: (resource, ref, patch, patchOptions = {}) => {
      const { type = 'merge', subresource } = patchOptions
      const path = pathOf(resource, { ...ref, subresource })
      return write(connection, { method: 'PATCH', path, body: patch, contentType: patchTypes[type] }, patchOptions)
    },
    apply: (resource, object, applyOptions) => {
      const path = pathOf(resource, refOf(object, applyOptions))
      const { force = true } = applyOptions
      // JSON is YAML.
      const contentType = 'application/apply-patch+yaml'
      return write(connection, { method: 'PATCH', path, body: object, contentType, force }, applyOptions)
    },
    delete: (resource, ref, deleteOptions = {}) => remove(connection, pathOf(resource, ref), deleteOptions),
    watch: (resource, watchOptions) => watchEvents(connection, resource, watchOptions),
    createToken: (serviceAccount, spec, callOptions = {}) =>
      requestToken(connection, serviceAccount, spec, callOptions),
    raw: async (request) => (await call(connection, request)).body,
    clockOffsetMs: () => clockOffset(connection),
    close: () => transport.close(),
  }
}

interface Write {
  method: TransportRequest['method']
  path: string
  body: unknown
  /** Default `application/json`. */
  contentType?: string
  force?: boolean
}

function write<T>(
  connection: ApiConnection,
  { method, path, body, contentType = 'application/json', force }: Write,
  { fieldManager, dryRun, signal, timeoutMs }: WriteOptions,
): Promise<T> {
  const query = queryOf({ fieldManager, dryRun: dryRun === true ? 'All' : undefined, force })
  return callJson<T>(connection, {
    method,
    path: `${path}${query}`,
    headers: { 'content-type': contentType },
    body: JSON.stringify(body),
    signal,
    timeoutMs,
  })
}

async function remove(connection: ApiConnection, path: string, options: DeleteOptions): Promise<void> {
  const { gracePeriodSeconds, uid, propagationPolicy, ...callOptions } = options
  const preconditions = uid === undefined ? undefined : { uid }
  const body = { apiVersion: 'v1', kind: 'DeleteOptions', gracePeriodSeconds, propagationPolicy, preconditions }
  await write(connection, { method: 'DELETE', path, body }, callOptions)
}

async function requestToken(
  connection: ApiConnection,
  { name, namespace }: { name: string; namespace: string },
  spec: TokenSpec,
  options: CallOptions,
): Promise<IssuedToken> {
  const path = pathOf(resources.serviceAccounts, { name, namespace, subresource: 'token' })
  const body = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec }
  const { status } = await write<{ status: IssuedToken }>(connection, { method: 'POST', path, body }, options)
  return { token: status.token, expirationTimestamp: status.expirationTimestamp }
}

function refOf({ metadata }: KubeObject, { subresource }: WriteOptions) {
  return { name: metadata.name ?? '', namespace: metadata.namespace, subresource }
}

/** An object is created in its collection, and a subresource below its object. */
function creationOf(object: KubeObject, options: WriteOptions) {
  const { namespace } = object.metadata
  return options.subresource === undefined ? { namespace } : refOf(object, options)
}
