import { badRequest, invalid } from '../api-error.ts'
import { type ApiObject, isRecord } from '../api-object.ts'
import { apiVersionOf, type ResourceRow } from '../kinds/resource-row.ts'
import { prune } from '../kinds/structural-schema.ts'
import { requireTexts, undecodable } from '../kinds/validate-metadata.ts'
import { randomSuffix } from './random-suffix.ts'

export interface WriteOptions {
  /** Version of the API that the writer speaks. Default: the preferred one. */
  version?: string
  /** Name under which the writer's fields are recorded. */
  manager: string
  /** Does everything but write. Default false. */
  dryRun?: boolean
  /** What an unknown field does: refuse the object, warn, or nothing. Default Warn. */
  validation?: 'Strict' | 'Warn' | 'Ignore'
  /** Write only the status. */
  subresource?: 'status' | undefined
  /** Hears of what is wrong but accepted. */
  warn?(text: string): void
}

/** A write to one kind in one version. */
export interface Write extends WriteOptions {
  row: ResourceRow
  version: string
}

/** The object of a body, if it is one of this kind and, where the URL has them, of this namespace and name. Throws 400. */
export function parseObject(
  { row, version }: Write,
  body: unknown,
  { namespace, name }: { namespace?: string | undefined; name?: string },
): ApiObject {
  if (!isRecord(body)) throw badRequest('the object provided is unrecognized (must be of type object)')
  const apiVersion = apiVersionOf(row.group, version)
  const object = { apiVersion, kind: row.kind, ...body } as ApiObject
  if (object.kind !== row.kind || !row.versions.some((one) => apiVersionOf(row.group, one) === object.apiVersion)) {
    const found = `${object.apiVersion}, Kind=${object.kind}`
    throw badRequest(`the object provided is unrecognized: found ${found}, expected ${apiVersion}, Kind=${row.kind}`)
  }
  const metadata = { ...object.metadata }
  if (row.namespaced && metadata.namespace && metadata.namespace !== namespace) {
    throw badRequest('the namespace of the provided object does not match the namespace sent on the request')
  }
  if (name !== undefined && metadata.name !== undefined && metadata.name !== name) {
    throw badRequest(`the name of the object (${metadata.name}) does not match the name on the URL (${name})`)
  }
  if (row.namespaced && namespace !== undefined) metadata.namespace = namespace
  else delete metadata.namespace
  if (name !== undefined) metadata.name = name
  requireTexts(object, 'ObjectMeta.metadata.labels', metadata.labels)
  requireTexts(object, 'ObjectMeta.metadata.annotations', metadata.annotations)
  // Go leaves empty ones out.
  for (const field of ['labels', 'annotations', 'finalizers', 'ownerReferences'] as const) {
    if (Object.keys(metadata[field] ?? {}).length === 0) delete metadata[field]
  }
  return { ...object, apiVersion, metadata }
}

/** The name of a new object, made from `generateName` where it has none. Throws 422. */
export function nameOf({ row }: Write, { metadata }: ApiObject): string {
  if (metadata.name) return metadata.name
  // The prefix of a longer name is cut, as in Kubernetes, so that the whole stays a label (63).
  if (metadata.generateName) return `${metadata.generateName.slice(0, 58)}${randomSuffix()}`
  const message = 'Required value: name or generateName is required'
  throw invalid(row, '', [{ reason: 'FieldValueRequired', field: 'metadata.name', message }])
}

/** Removes unknown fields from a draft, and reports them as the writer wants it. */
export function pruneUnknown({ row, version, validation, warn }: Write, draft: ApiObject): void {
  const unknown = prune(row.schema(version), draft).map((path) => `unknown field "${path}"`)
  if (unknown.length === 0 || validation === 'Ignore') return
  if (validation === 'Strict') throw undecodable(draft, `strict decoding error: ${unknown.join(', ')}`)
  for (const text of unknown) warn?.(text)
}
