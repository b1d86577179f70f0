import type { ClassSpec } from './class-spec.ts'
import type { ObjectSpec } from './object-spec.ts'

/** The files that a volume of a class can have, as far as the class alone determines them. */
export interface ClassFiles {
  has(path: string): boolean
  /** One name of each, for messages. */
  names: readonly string[]
  /** Whether there may be others, as only the vault knows what a `select` finds. */
  open: boolean
}

/** A file that the class itself names. */
export interface NamedFile {
  path: string
  /** Undefined for the volume's default. */
  mode: number | undefined
  /** Whether a volume may lack it: of an optional object, or an older version of one. */
  optional: boolean
}

/** All files that the class itself names, without what the provider splits off a certificate. */
export function namedFiles({ objects, templates }: Pick<ClassSpec, 'objects' | 'templates'>): NamedFile[] {
  const made = templates.map(({ fileName, mode }) => ({ path: fileName, mode, optional: false }))
  return [...filesOfWritten(objects.filter(({ onlyTemplates }) => !onlyTemplates)), ...made]
}

function filesOfWritten(objects: readonly ObjectSpec[]): NamedFile[] {
  return objects.flatMap(({ fileName, history, extracts, mode, optional }) => {
    const own = extracts.length === 0 ? [{ fileName, mode }] : extracts
    const files = own.map((one) => ({ path: one.fileName, mode: one.mode ?? mode, optional }))
    if (history <= 1) return files
    const indexes = Array.from({ length: history }, (_, index) => index)
    return files.flatMap((file) =>
      indexes.map((index) => ({ ...file, path: `${file.path}/${index}`, optional: optional || index > 0 })),
    )
  })
}

/**
 * How many versions of an object there are, and whether the provider splits certificates into `.crt` and `.key`, is only
 * known at mount: a file that may be there counts as there.
 */
export function classFiles({ objects, selects, templates }: ClassContent): ClassFiles {
  const written = objects.filter(({ onlyTemplates }) => !onlyTemplates)
  const own = filesOfObjects(written)
  const made = templates.map(({ fileName }) => fileName)
  return {
    has: (path) => own.has(path) || made.includes(path),
    names: [...own.names, ...made],
    open: selects.some(({ onlyTemplates }) => !onlyTemplates),
  }
}

type ClassContent = Pick<ClassSpec, 'objects' | 'selects' | 'templates'>

/** What templates of a class can use: also the objects that have no file of their own. */
export function templateSources({ objects, selects }: ClassContent): ClassFiles {
  return { ...filesOfObjects(objects), open: selects.length > 0 }
}

function filesOfObjects(objects: readonly ObjectSpec[]): Omit<ClassFiles, 'open'> {
  /** By the object's own path: how many versions it has at most, and whether it may have `.crt` and `.key` beside it. */
  const files = new Map<string, { history: number; split: boolean }>()
  const add = (name: string, { history, type, extracts }: ObjectSpec) => {
    const other = files.get(name)
    const split = extracts.length === 0 && type === 'secret'
    files.set(name, { history: Math.max(history, other?.history ?? 0), split: split || other?.split === true })
  }
  for (const object of objects) {
    if (object.extracts.length === 0) add(object.fileName, object)
    else for (const { fileName } of object.extracts) add(fileName, object)
  }
  const isFile = (path: string, split: boolean) => {
    const own = files.get(path)
    if (own !== undefined && own.history <= 1 && (!split || own.split)) return true
    const slash = path.lastIndexOf('/')
    const folder = files.get(path.slice(0, Math.max(0, slash)))
    const index = path.slice(slash + 1)
    if (folder === undefined || folder.history <= 1 || (split && !folder.split)) return false
    return /^\d{1,9}$/.test(index) && Number(index) < folder.history
  }
  return {
    has: (path) => isFile(path, false) || (/\.(crt|key)$/.test(path) && isFile(path.slice(0, -4), true)),
    names: [...files].map(([name, { history }]) => (history > 1 ? `${name}/0` : name)),
  }
}
