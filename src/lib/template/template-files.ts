import type { SecretValue } from '#lib'
import { fieldOf } from './template-field.ts'

/** What a template can use: the files of one volume. */
export interface TemplateFiles {
  /** Of all files. */
  names: readonly string[]
  /** Names of files by their fields. */
  byField: ReadonlyMap<string, readonly string[]>
  /** Names of the files of each set. */
  sets: ReadonlyMap<string, readonly string[]>
  read(name: string): SecretValue | undefined
}

export function templateFiles(
  contents: ReadonlyMap<string, SecretValue>,
  sets: ReadonlyMap<string, readonly string[]>,
): TemplateFiles {
  const names = [...contents.keys()]
  return { names, byField: Map.groupBy(names, fieldOf), sets, read: (name) => contents.get(name) }
}
