import { beyondLimit, type Problem, Problems } from '#lib'
import { classLimits } from './class-limits.ts'
import { collidingPaths } from './file-name.ts'
import type { ObjectSpec, SelectSpec } from './object-spec.ts'
import { parseEntries } from './parse-entries.ts'
import { parseObject } from './parse-object.ts'
import { parseSelects } from './parse-select.ts'

/** The entries of `objects`. */
export interface ClassObjects {
  /** Those that name one object. */
  objects: readonly ObjectSpec[]
  /** Those with `select`. */
  selects: readonly SelectSpec[]
}

/** The objects of a class, from the text of its parameter `objects`. */
export type ParseObjects = (text: string, problems: Problems) => ClassObjects

/** Texts remembered, and how long all of them together may be. */
const memory = { texts: 200, characters: 2 * 1024 * 1024 }

interface Remembered {
  parsed: ClassObjects
  problems: readonly Problem[]
}

/**
 * `parseObjects` that remembers the texts it saw last: a node has few classes and mounts each of them again for every pod
 * and every rotation, and reading YAML is most of the CPU of a mount whose objects are shared.
 */
export function createObjectsParser(): ParseObjects {
  const seen = new Map<string, Remembered>()
  let characters = 0
  const forget = (text: string) => {
    if (seen.delete(text)) characters -= text.length
  }
  return (text, problems) => {
    const remembered = seen.get(text) ?? parseOnce(text)
    forget(text)
    seen.set(text, remembered)
    characters += text.length
    for (const oldest of seen.keys()) {
      if (seen.size <= memory.texts && characters <= memory.characters) break
      forget(oldest)
    }
    for (const { path, message } of remembered.problems) problems.add(path, message)
    return remembered.parsed
  }
}

function parseOnce(text: string): Remembered {
  const problems = new Problems()
  const parsed = parseObjects(text, problems)
  return { parsed, problems: problems.list }
}

/** Reads and checks `objects`. Throws nothing: what is wrong goes to `problems`, and an entry with a problem is left out. */
export function parseObjects(text: string, problems: Problems): ClassObjects {
  const [selecting, single] = partition(parseEntries(text, problems), ({ fields }) => fields.has('select'))
  const objects = single.flatMap((entry) => parseObject(entry, problems) ?? [])
  const files = objects.reduce((sum, { history, extracts }) => sum + history * Math.max(1, extracts.length), 0)
  if (files > classLimits.files.value) problems.add('objects', beyondLimit(classLimits.files, files))
  else checkPaths(objects, problems)
  return { objects, selects: parseSelects(selecting, problems) }
}

function partition<T>(all: readonly T[], isFirst: (one: T) => boolean): [T[], T[]] {
  return [all.filter(isFirst), all.filter((one) => !isFirst(one))]
}

/** Two objects in one file would be decided by chance: the driver keeps the last. */
function checkPaths(objects: readonly ObjectSpec[], problems: Problems): void {
  const distinct = new Map<string, string>()
  const numbers = new Map<string, number>()
  for (const object of objects) {
    // The same object listed twice gives the same files: harmless, and existing classes have it.
    const text = JSON.stringify({ ...object, path: '' })
    const number = numbers.get(text) ?? numbers.size
    numbers.set(text, number)
    for (const { fileName, part } of filesOf(object)) distinct.set(`${number} ${part}`, fileName)
  }
  const collision = collidingPaths([...distinct.values()])
  if (collision === undefined) return
  const { path, other } = collision
  const text =
    path === other
      ? `two objects are written to the same file "${path}"`
      : `"${other}" is a file and also the folder of "${path}"`
  problems.add('objects', `${text}; give one of them another objectAlias`)
}

/** The files of an object that the class alone determines, with what makes each of them. */
export function filesOf({ extracts, fileName, history }: ObjectSpec): { fileName: string; part: string }[] {
  if (extracts.length === 0) return [{ fileName: history > 1 ? `${fileName}/0` : fileName, part: '' }]
  return extracts.map((extract) => ({ fileName: extract.fileName, part: JSON.stringify(extract) }))
}
