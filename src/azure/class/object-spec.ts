import type { Template } from '#lib/template'

export type ObjectType = 'secret' | 'key' | 'cert'
export type ObjectFormat = 'pem' | 'pfx'
export type ObjectEncoding = 'utf-8' | 'hex' | 'base64'

/** What every entry of `objects` has. */
interface EntrySpec {
  /** Its position in the class, for messages: `objects[2]`. */
  path: string
  type: ObjectType
  format: ObjectFormat
  encoding: ObjectEncoding
  /** Undefined for the volume's default. */
  mode: number | undefined
  /** Another vault than the class's; undefined for that one. */
  vaultName: string | undefined
  /** Whether only templates use it: it has no file of its own. */
  onlyTemplates: boolean
}

/** An entry of `objects` that names one object. */
export interface ObjectSpec extends EntrySpec {
  name: string
  /** Empty for the current version. */
  version: string
  /** Number of versions to give, newest first, as `FILE/0`, `FILE/1`, …; 1 gives one plain file. */
  history: number
  /** Alias, or the name: path of the file in the volume. */
  fileName: string
  /** A missing object is skipped and reported instead of failing the mount. */
  optional: boolean
  /** Parts of a JSON secret that become files of their own, instead of the whole. */
  extracts: readonly ExtractSpec[]
  /** Whether a `select` found it: one that has gone since does not fail the mount. */
  selected: boolean
}

/** An entry of `objects` with `select`: what each object that it finds has in common. */
export interface SelectSpec extends EntrySpec {
  /** Texts of patterns that `compileNamePattern` takes; empty for none. Kept as texts: compiled they take much more memory. */
  namePattern: string
  exclude: string
  /** Tags that an object has; `*` for any value. */
  tags: ReadonlyMap<string, string>
  /** Name of the set for templates; empty for none. */
  setName: string
  /** With `{name}` and `{tag:KEY}`. */
  fileName: string
  stripPrefix: string
  limit: number
  /** Whether there may be no object at all. */
  optional: boolean
  /** Of each object; `fileName` is empty for the object's own file, otherwise a path in a folder of that name. */
  extracts: readonly ExtractSpec[]
}

/** An entry of `templates`. */
export interface TemplateSpec {
  /** `templates[0]` */
  path: string
  fileName: string
  mode: number | undefined
  template: Template
}

export interface ExtractSpec {
  /** Steps into the JSON value: member names and array indexes. */
  steps: readonly (string | number)[]
  /** As the class writes it, for messages. */
  expression: string
  fileName: string
  mode: number | undefined
}

/** `objectType:T, objectName:N, objectVersion:V`, the words by which upstream names an object in errors. */
export function objectLabel({ type, name, version }: { type: string; name: string; version: string }): string {
  return `objectType:${type}, objectName:${name}, objectVersion:${version}`
}
