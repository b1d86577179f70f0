import { badRequest, Causes, invalid } from '../api-error.ts'
import { type ApiObject, isRecord } from '../api-object.ts'
import { apiVersionOf, type ResourceRow } from '../kinds/resource-row.ts'
import { prune } from '../kinds/structural-schema.ts'
import { decodeFault } from '../validation/decode.ts'
import { undecodable } from '../validation/metadata.ts'
import { randomSuffix } from './random-suffix.ts'

export interface WriteOptions {
  /** Version of the API that the writer uses. Default: the preferred one. */
  version?: string | undefined
  /** Name under which the writer's fields are recorded. */
  manager: string
  /** Does everything except write. Default false. */
  dryRun?: boolean | undefined
  /** Effect of an unknown field: the object is refused, a warning, or nothing. Default Warn. */
  validation?: 'Strict' | 'Warn' | 'Ignore' | undefined
  /** Write only the status. */
  subresource?: 'status' | undefined
  /** Called with the object as it would be stored and as it is; throws ApiError to refuse the write. */
  admit?: ((object: ApiObject, previous: ApiObject | undefined) => void) | undefined
  /** Called with each fault that is accepted. */
  warn?: ((text: string) => void) | undefined
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
  const draft = body === null ? {} : body
  if (!isRecord(draft)) {
    throw badRequest(`the object provided is unrecognized (must be of type ${row.kind}): it is not a JSON object`)
  }
  const apiVersion = apiVersionOf(row.group, version)
  // A copy: defaults that are set later must not appear in what the writer sent.
  const object = structuredClone({
    ...draft,
    apiVersion: draft.apiVersion ?? apiVersion,
    kind: draft.kind ?? row.kind,
  }) as ApiObject
  requireKind(row, object)
  const fault = decodeFault(row.decoded, object)
  if (fault !== undefined) throw undecodable(object, fault)
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
  // Go leaves empty ones out.
  for (const field of ['labels', 'annotations', 'finalizers', 'ownerReferences'] as const) {
    if (Object.keys(metadata[field] ?? {}).length === 0) delete metadata[field]
  }
  return { ...object, apiVersion, metadata }
}

function requireKind(row: ResourceRow, { apiVersion, kind }: ApiObject): void {
  const versions = row.versions.map((version) => apiVersionOf(row.group, version))
  if (kind === row.kind && versions.includes(apiVersion)) return
  const found = `${kind} in version "${String(apiVersion).split('/').at(-1)}" cannot be handled as a ${row.kind}`
  throw badRequest(`${found}: expected ${versions.join(' or ')}, Kind=${row.kind}`)
}

/** The name of a new object, made from `generateName` where it has none. Throws 422. */
export function nameOf({ row }: Write, { metadata }: ApiObject): string {
  if (metadata.name) return metadata.name
  // The prefix of a longer name is cut, as in Kubernetes, so that the whole stays a label (63).
  if (metadata.generateName) return `${metadata.generateName.slice(0, 58)}${randomSuffix()}`
  const causes = new Causes()
  causes.required('metadata.name', 'name or generateName is required')
  throw invalid(row, '', causes.list)
}

/** Removes unknown fields from a draft, and reports them as the writer wants it. */
export function pruneUnknown({ row, version, validation, warn }: Write, draft: ApiObject): void {
  const unknown = prune(row.schema(version), draft).map((path) => `unknown field "${path}"`)
  if (unknown.length === 0 || validation === 'Ignore') return
  if (validation === 'Strict') throw undecodable(draft, `strict decoding error: ${unknown.join(', ')}`)
  for (const text of unknown) warn?.(text)
}
