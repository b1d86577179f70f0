import { parseGoBool } from '#lib/flags'
import type { SecretObject, SecretProviderClass } from './objects.ts'

/** `objectName` of an entry of `secretObjects` that stands for every file, with {@link syncsEveryFile}. */
export const everyFile = '*'

const placeholder = '{file}'

/** Whether the parameter `syncAll` of a class lets its `secretObjects` take every file. */
export function syncsEveryFile({ spec }: SecretProviderClass): boolean {
  return parseGoBool(spec?.parameters?.syncAll?.trim() ?? '') === true
}

/** A key for every file has `{file}` once; the rest is what a key of a Secret may have. */
export function isEveryFileKey(key: string): boolean {
  const [before = '', after, ...more] = key.split(placeholder)
  return after !== undefined && more.length === 0 && /^[-._a-zA-Z0-9]*$/.test(before + after)
}

type Row = NonNullable<SecretObject['data']>[number]

/** The rows of an entry with those for every file written out; `/` in a path becomes `.`, as a key cannot have it. */
export function everyFileRows(rows: readonly Row[], paths: readonly string[]): Row[] {
  return rows.flatMap((row) => {
    const key = row.key?.trim() ?? ''
    if (row.objectName?.trim() !== everyFile || !isEveryFileKey(key)) return [row]
    return paths.map((path) => ({ objectName: path, key: key.replace(placeholder, () => path.replaceAll('/', '.')) }))
  })
}
