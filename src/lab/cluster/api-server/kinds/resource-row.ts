import type { Cause } from '../api-error.ts'
import type { ApiObject } from '../api-object.ts'
import type { Store } from '../objects/store.ts'
import type { Column } from './columns.ts'
import type { Schema } from './structural-schema.ts'

export type Subresource = 'status' | 'token' | 'log' | 'exec'

/** What admission may ask. */
export type Lookup = Pick<Store, 'get'>

/** All that the server knows of one kind. Built-in kinds are rows of `resources.ts`, custom ones are made from their definition. */
export interface ResourceRow {
  /** False for a kind that a CustomResourceDefinition made. */
  builtIn: boolean
  group: string
  kind: string
  plural: string
  singular: string
  shortNames: readonly string[]
  categories: readonly string[]
  namespaced: boolean
  /** Served versions, the preferred one first. All have the same fields: nothing is converted but `apiVersion`. */
  versions: readonly string[]
  subresources: readonly Subresource[]
  /** Whether `metadata.generation` counts the changes besides metadata and status. */
  generation: boolean
  columns(version: string): readonly Column[]
  /** Field selectors besides `metadata.name` and `metadata.namespace`. */
  fields: readonly string[]
  schema(version: string): Schema
  /** Fills in defaults, on every write. */
  prepare(draft: ApiObject, version: string): void
  /** Completes or refuses a new object by what else there is, once. */
  admit(draft: ApiObject, lookup: Lookup): void
  validate(object: ApiObject, version: string, previous: ApiObject | undefined): Cause[]
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
