import { parseJson } from '#lib/formats'
import { badRequest } from '../api-error.ts'
import { type ApiObject, numberAt, textAt } from '../api-object.ts'
import { apiVersionOf, keyOf, type ResourceRow } from '../kinds/resource-row.ts'
import { type Matcher, parseFieldSelector, parseLabelSelector } from '../objects/selectors.ts'
import type { ApiCall } from './api-call.ts'
import { type ObjectForm, sendJson, wantedForm } from './http-exchange.ts'
import { parseCount } from './request-info.ts'

/** An object as a client of one version sees it. */
export function present(row: ResourceRow, version: string, object: ApiObject): ApiObject {
  const apiVersion = apiVersionOf(row.group, version)
  return object.apiVersion === apiVersion ? object : { ...object, apiVersion }
}

/** Sends one object, in the form that the client prefers. */
export function sendObject(call: ApiCall, status: number, object: ApiObject): void {
  const { response, request, row, info } = call
  sendJson(response, status, inForm(call, wantedForm(request), present(row, info.version, object)))
}

/** One object in the form that a client prefers. */
export function inForm(call: ApiCall, form: ObjectForm, object: ApiObject): object {
  const { resourceVersion } = object.metadata
  if (form === 'table') return renderTable(call, [object], { resourceVersion })
  return form === 'metadata' ? metadataOf(object) : object
}

/** https://kubernetes.io/docs/reference/using-api/api-concepts/#metadata-only-fetches */
function metadataOf({ metadata }: ApiObject): object {
  return { kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1', metadata }
}

export function handleGet(call: ApiCall): void {
  const { context, row, info } = call
  sendObject(call, 200, context.objects.get(row, { namespace: info.namespace, name: info.name ?? '' }))
}

export function handleList(call: ApiCall): void {
  const { context, row, info, url, response } = call
  const { store } = context
  const page = parsePage(url)
  const revision = page.revision ?? store.revision
  const found = selected(call).filter((object) => page.after === undefined || orderOf(object) > page.after)
  const items = found.slice(0, page.limit).map((object) => present(row, info.version, object))
  const last = items.at(-1)
  const metadata = {
    resourceVersion: String(revision),
    ...(last === undefined || found.length === items.length
      ? {}
      : { continue: continueToken(revision, last), remainingItemCount: found.length - items.length }),
  }
  sendJson(response, 200, listInForm(call, items, metadata))
}

function listInForm(call: ApiCall, items: readonly ApiObject[], metadata: object): object {
  const { row, info, request } = call
  const form = wantedForm(request)
  if (form === 'table') return renderTable(call, items, metadata)
  if (form === 'metadata') {
    const partial = items.map(metadataOf)
    return { kind: 'PartialObjectMetadataList', apiVersion: 'meta.k8s.io/v1', metadata, items: partial }
  }
  return { kind: `${row.kind}List`, apiVersion: apiVersionOf(row.group, info.version), metadata, items }
}

/** The objects that a list or a deletion of many is about. */
export function selected(call: ApiCall): ApiObject[] {
  const { context, row, info } = call
  return context.store.list(keyOf(row), info.namespace).filter(matcherOf(call))
}

/** Whether an object fits the selectors of a request. */
export function matcherOf({ row, url }: ApiCall): Matcher {
  const byLabel = parseLabelSelector(url.searchParams.get('labelSelector') ?? '')
  const fields = ['metadata.name', 'metadata.namespace', ...row.fields]
  const byField = parseFieldSelector(url.searchParams.get('fieldSelector') ?? '', fields)
  return (object) => byLabel(object) && byField(object)
}

const orderOf = ({ metadata }: ApiObject) => `${metadata.namespace ?? ''}/${metadata.name}`

/** A page continues after a name, in the current objects: an object written meanwhile may appear in a later page. */
function parsePage(url: URL): { limit: number; after?: string; revision?: number } {
  const limit = parseCount(url, 'limit') || Number.POSITIVE_INFINITY
  const token = url.searchParams.get('continue')
  if (!token) return { limit }
  try {
    const position = parseJson('the continue key', Buffer.from(token, 'base64url'))
    const [revision, after] = [numberAt(position, 'rv'), textAt(position, 'after')]
    if (after !== '') return { limit, after, revision }
  } catch {
    // Reported below.
  }
  throw badRequest('continue key is not valid: it does not come from a list of this server')
}

const continueToken = (rv: number, last: ApiObject) =>
  Buffer.from(JSON.stringify({ v: 'meta.k8s.io/v1', rv, after: orderOf(last) })).toString('base64url')

/** Objects as a server-side table. https://kubernetes.io/docs/reference/using-api/api-concepts/#receiving-resources-as-tables */
export function renderTable({ row, info, url, context }: ApiCall, objects: readonly ApiObject[], metadata: object) {
  const columns = row.columns(info.version)
  const now = context.clock.now()
  const include = url.searchParams.get('includeObject') ?? 'Metadata'
  const shown = (object: ApiObject) => (include === 'Object' ? object : metadataOf(object))
  return {
    kind: 'Table',
    apiVersion: 'meta.k8s.io/v1',
    metadata,
    columnDefinitions: columns.map(({ cell: _, ...definition }) => definition),
    rows: objects.map((object) => ({
      cells: columns.map(({ cell }) => cell(object, now) ?? null),
      ...(include === 'None' ? {} : { object: shown(object) }),
    })),
  }
}
