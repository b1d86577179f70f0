import type { SecretValue } from '#lib'
import { fieldOf } from './template-field.ts'
import { type Quotable, quotableText } from './template-words.ts'

/** What a template can use: the files of one volume. */
export interface TemplateFiles {
  /** Of all files, and their fields: what a misspelt name is compared with. */
  names: readonly Quotable[]
  /** Names of files by their fields. */
  byField: ReadonlyMap<string, readonly Quotable[]>
  /** Names of the files of each set. */
  sets: ReadonlyMap<string, readonly string[]>
  setNames: readonly Quotable[]
  read(name: string): SecretValue | undefined
}

export function templateFiles(
  contents: ReadonlyMap<string, SecretValue>,
  sets: ReadonlyMap<string, readonly string[]>,
): TemplateFiles {
  const own = [...contents.keys()].map(quotableText)
  const byField = Map.groupBy(own, fieldOf)
  const names = [...own, ...[...byField.keys()].map(quotableText)]
  const setNames = [...sets.keys()].map(quotableText)
  return { names, byField, sets, setNames, read: (name) => contents.get(name) }
}
