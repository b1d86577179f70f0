import type { ObjectSpec } from './object-spec.ts'

/** The files that a volume of a class can have, as far as the class alone tells. */
export interface ClassFiles {
  has(path: string): boolean
  /** One name of each, for messages. */
  names: readonly string[]
}

/**
 * How many versions of an object there are, and whether the provider splits certificates into `.crt` and `.key`, is only
 * known at mount: a file that may be there counts as there.
 */
export function classFiles(objects: readonly ObjectSpec[]): ClassFiles {
  const files = objects.flatMap(({ extracts, fileName, type, history }) =>
    extracts.length > 0
      ? extracts.map((extract) => ({ name: extract.fileName, history, split: false }))
      : [{ name: fileName, history, split: type === 'secret' }],
  )
  return {
    has: (path) =>
      files.some(({ name, history, split }) => {
        if (!path.startsWith(name)) return false
        const rest = split ? path.slice(name.length).replace(/\.(crt|key)$/, '') : path.slice(name.length)
        return history > 1 ? /^\/\d+$/.test(rest) && Number(rest.slice(1)) < history : rest === ''
      }),
    names: files.map(({ name, history }) => (history > 1 ? `${name}/0` : name)),
  }
}
