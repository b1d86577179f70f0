import { fileNameProblem } from './file-name.ts'
import type { SelectSpec } from './object-spec.ts'

/** `{name}`, `{tag:KEY}`; anything else in braces is a slip. */
const placeholder = /\{([^{}]*)\}/g

/** What is wrong with the `fileName` of a select; undefined for nothing. */
export function fileNameFault(fileName: string): string | undefined {
  let names = 0
  for (const [whole, inner = ''] of fileName.matchAll(placeholder)) {
    names++
    if (inner !== 'name' && !(inner.startsWith('tag:') && inner.length > 4))
      return `fileName has ${whole}: expected {name} or {tag:KEY}`
  }
  if (names === 0) return 'fileName needs {name} or {tag:KEY}: all objects would be one file'
  const rest = fileName.replace(placeholder, 'x')
  if (/[{}]/.test(rest)) return 'fileName has a brace without its partner: expected {name} or {tag:KEY}'
  return fileNameProblem(rest)
}

/** The path of the file of one object, or why it has none. @param tags of the object: texts of the vault */
export function selectedFileName(
  { fileName, stripPrefix }: Pick<SelectSpec, 'fileName' | 'stripPrefix'>,
  object: { name: string; tags: ReadonlyMap<string, string> },
): { path: string } | { fault: string } {
  const { name, tags } = object
  const short = stripPrefix !== '' && name.startsWith(stripPrefix) ? name.slice(stripPrefix.length) : name
  let missing: string | undefined
  const path = fileName.replace(placeholder, (_, inner: string) => {
    if (inner === 'name') return short
    const value = tags.get(inner.slice(4))
    if (value === undefined) missing ??= inner.slice(4)
    return value ?? ''
  })
  if (missing !== undefined) return { fault: `it has no tag "${missing}", which fileName names` }
  const fault = fileNameProblem(path)
  return fault === undefined ? { path } : { fault }
}
