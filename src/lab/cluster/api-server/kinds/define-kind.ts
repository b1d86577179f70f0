import type { Causes } from '../api-error.ts'
import { type ApiObject, isRecord } from '../api-object.ts'
import { validateCoreFinalizers, validateMetadata } from '../validation/metadata.ts'
import { type NameRule, subdomainName } from '../validation/names.ts'
import type { Column } from './columns.ts'
import { objectFields } from './fields.ts'
import type { Lookup, ResourceRow, Subresource } from './resource-row.ts'
import type { Schema } from './structural-schema.ts'

/** What makes a built-in kind; everything but columns and fields has a default. */
export interface KindOptions {
  short?: readonly string[]
  categories?: readonly string[]
  /** Default `namespaced`. */
  scope?: 'namespaced' | 'cluster'
  /** How its names are written. Default: as subdomains. */
  names?: NameRule
  subresources?: readonly Subresource[]
  /** Whether `metadata.generation` counts changes. Default false. */
  generation?: boolean
  /** Fields that selectors may use. */
  selectable?: readonly string[]
  columns: readonly Column[]
  /** Its fields besides `apiVersion`, `kind` and `metadata`, in the language of `fields.ts`. */
  fields: string
  /** Its fields that are structs or lists of them. */
  children?: Readonly<Record<string, Schema>>
  /** See {@link ResourceRow.protobuf}. */
  protobuf?: Readonly<Record<string, string>>
  prepare?(draft: ApiObject, previous: ApiObject | undefined): void
  admit?(draft: ApiObject, lookup: Lookup): void
  validate?(causes: Causes, object: ApiObject, previous: ApiObject | undefined): void
}

/** Groups of kinds that may be updated without naming a version. */
const unconditionalGroups: ReadonlySet<string> = new Set(['', 'apps', 'rbac.authorization.k8s.io'])

/** The row of a built-in kind. */
export function defineKind(apiVersion: string, kind: string, plural: string, options: KindOptions): ResourceRow {
  const slash = apiVersion.indexOf('/')
  const group = slash < 0 ? '' : apiVersion.slice(0, slash)
  const { columns, names = subdomainName, prepare, admit, validate } = options
  const schema = objectFields(kind, options.fields, options.children)
  return {
    builtIn: true,
    generation: options.generation ?? false,
    unconditionalUpdates: unconditionalGroups.has(group),
    group,
    versions: [apiVersion.slice(slash + 1)],
    kind,
    plural,
    singular: kind.toLowerCase(),
    shortNames: options.short ?? [],
    categories: options.categories ?? [],
    namespaced: options.scope !== 'cluster',
    subresources: options.subresources ?? [],
    columns: () => columns,
    fields: options.selectable ?? [],
    schema: () => schema,
    decoded: schema,
    protobuf: options.protobuf ?? {},
    prepare: (draft, _version, previous) => prepare?.(draft, previous),
    admit: (draft, lookup) => admit?.(draft, lookup),
    validate(causes, object, _version, previous) {
      validateMetadata(causes, object, names)
      if (group === '') validateCoreFinalizers(causes, object)
      validate?.(causes, object, previous)
    },
    warnings: () => [],
  }
}

/** The spec of a draft, which gets one if it has none. */
export function specOf(draft: ApiObject): Record<string, unknown> {
  if (isRecord(draft.spec)) return draft.spec
  const spec = {}
  draft.spec = spec
  return spec
}
