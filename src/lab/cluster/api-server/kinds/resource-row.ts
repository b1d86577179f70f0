import type { Causes } from '../api-error.ts'
import type { ApiObject } from '../api-object.ts'
import type { Store } from '../objects/store.ts'
import type { Column } from './columns.ts'
import type { Schema } from './structural-schema.ts'

export type Subresource = 'status' | 'scale' | 'token' | 'log' | 'exec' | 'proxy'

/** The part of the store that admission reads. */
export type Lookup = Pick<Store, 'get' | 'list'>

/** Everything that the server has of one kind. Built-in kinds are rows of `built-in-kinds.ts`, custom ones come from their definition. */
export interface ResourceRow {
  /** False for a kind of a CustomResourceDefinition. */
  builtIn: boolean
  group: string
  kind: string
  plural: string
  singular: string
  shortNames: readonly string[]
  categories: readonly string[]
  namespaced: boolean
  /** Served versions, the preferred one first. All have the same fields: only `apiVersion` is converted. */
  versions: readonly string[]
  subresources: readonly Subresource[]
  /** Whether an update may lack `metadata.resourceVersion`, and then overwrites any version. */
  unconditionalUpdates: boolean
  /** Whether `metadata.generation` counts the changes besides metadata and status. */
  generation: boolean
  columns(version: string): readonly Column[]
  /** Field selectors besides `metadata.name` and `metadata.namespace`. */
  fields: readonly string[]
  schema(version: string): Schema
  /** The part of an object in which a value of a wrong type makes the request malformed. */
  decoded: Schema
  /** Fields of the kind's protobuf message and of messages inside it, for kinds that kubectl sends in protobuf (see `protobuf.ts`). */
  protobuf: Readonly<Record<string, string>>
  /** Sets defaults, on every write. Throws 400 for a malformed object. @param previous the object that an update replaces */
  prepare(draft: ApiObject, version: string, previous?: ApiObject): void
  /** Completes or refuses a new object by the other objects in the store. */
  admit(draft: ApiObject, lookup: Lookup): void
  validate(causes: Causes, object: ApiObject, version: string, previous: ApiObject | undefined): void
  /** Texts of `Warning` headers for a request of this version. */
  warnings(version: string): readonly string[]
}

/** `pods`, `daemonsets.apps`: the name of a kind in the store, in errors and in definitions. */
export function keyOf({ group, plural }: { group: string; plural: string }): string {
  return group === '' ? plural : `${plural}.${group}`
}

export function apiVersionOf(group: string, version: string): string {
  return group === '' ? version : `${group}/${version}`
}
