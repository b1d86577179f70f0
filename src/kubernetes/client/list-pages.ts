import { type ApiConnection, type CallOptions, callJson } from './api-call.ts'
import { isTooLarge, KubeError } from './kube-error.ts'
import type { KubeObject } from './objects.ts'
import { acceptHeaders, queryOf, type Selectors, selectorQuery } from './query.ts'
import { apiVersionOf, pathOf, type Resource } from './resources.ts'

export interface ObjectList<T> {
  items: T[]
  resourceVersion: string
}

export interface ListOptions<T, P> extends Selectors, CallOptions {
  /**
   * What of each object is needed. Of a page that has been read nothing else stays in memory: users decide how large their
   * objects are. Default: all of it.
   */
  pick?: ((object: T) => P) | undefined
}

interface Page<T> {
  items?: T[] | null
  metadata?: { resourceVersion?: string; continue?: string }
}

/** Half a million objects, as far as they are not large. */
const maxPages = 1000
const pageSize = 500

/** Versions are kept by the server for five minutes: a list that takes longer could not be completed. */
const listTimeoutMs = 300_000

/**
 * All objects of a collection, page by page. A page with more bytes than the client accepts is asked for in smaller parts,
 * so that large objects cannot keep a list from being read.
 */
export async function listPages<T extends KubeObject, P = T>(
  connection: ApiConnection,
  resource: Resource<T>,
  { pick = (object) => object as unknown as P, ...selectors }: ListOptions<T, P>,
): Promise<ObjectList<P>> {
  const { clock } = connection
  const { signal, timeoutMs } = selectors
  const deadline = clock.elapsed() + listTimeoutMs
  const collection = pathOf(resource, { namespace: selectors.namespace })
  const headers = acceptHeaders(selectors, 'PartialObjectMetadataList')
  const items: P[] = []
  let limit = pageSize
  let token: string | undefined
  for (let pages = 0; pages < maxPages && clock.elapsed() < deadline; pages++) {
    const path = `${collection}${queryOf({ ...selectorQuery(selectors), limit, continue: token })}`
    let page: Page<T>
    try {
      page = await callJson<Page<T>>(connection, { method: 'GET', path, headers, signal, timeoutMs })
    } catch (error) {
      if (!isTooLarge(error) || limit === 1) throw error
      limit = Math.ceil(limit / 8)
      continue
    }
    // Items of a list have no apiVersion and kind of their own.
    for (const item of page.items ?? []) {
      items.push(pick({ ...item, apiVersion: apiVersionOf(resource), kind: resource.kind }))
    }
    token = page.metadata?.continue
    if (!token) return { items, resourceVersion: page.metadata?.resourceVersion ?? '' }
  }
  const message = `GET ${collection}: the list did not end within ${maxPages} pages and ${listTimeoutMs / 1000} s`
  throw new KubeError(message, { status: 0, retryable: true })
}
