import { beyondLimit } from '#lib'
import { parseGoBool } from '#lib/flags'
import type { SecretObject, SecretProviderClass } from './objects.ts'
import { secretObjectLimits } from './secret-object-limits.ts'

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

/**
 * What is wrong with the number of rows of all entries of a class; undefined for nothing. It is asked before
 * {@link everyFileRows}, as rows multiply with files.
 *
 * @param files how many files a row for every file stands for; 1 in a class without the parameter `syncAll`
 */
export function rowsFault(secretObjects: readonly SecretObject[], files: number): string | undefined {
  const { secretData } = secretObjectLimits
  let count = 0
  for (const { data = [] } of secretObjects)
    for (const row of data) count += everyFileKey(row) === undefined ? 1 : files
  return count > secretData.value ? beyondLimit(secretData, count) : undefined
}

/** @returns the key of a row for every file; undefined for another row */
function everyFileKey({ objectName, key = '' }: Row): string | undefined {
  const trimmed = key.trim()
  return objectName?.trim() === everyFile && isEveryFileKey(trimmed) ? trimmed : undefined
}

/** The rows of an entry with those for every file written out; `/` in a path becomes `.`, as a key cannot have it. */
export function everyFileRows(rows: readonly Row[], paths: readonly string[]): Row[] {
  return rows.flatMap((row) => {
    const key = everyFileKey(row)
    if (key === undefined) return [row]
    return paths.map((path) => ({ objectName: path, key: key.replace(placeholder, () => path.replaceAll('/', '.')) }))
  })
}
