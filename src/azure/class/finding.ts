import { formatProblem, nearestName, type Problem, shortened } from '#lib'

/** Something that the author of a class should know before a pod mounts it. */
export interface Finding extends Problem {
  /** What will fail: every mount, or the writing of a Secret. Undefined for a remark. */
  fails: 'mount' | 'secret' | undefined
}

const consequences = { mount: 'no pod can mount it: ', secret: 'a Secret will be missing: ' } as const

/** One line for people: what follows, where and why. */
export function formatFinding({ fails, ...problem }: Finding): string {
  return `${fails === undefined ? '' : consequences[fails]}${formatProblem(problem)}`
}

/** More findings than this help no reader, and a class can be made to have any number of them. */
const maxReported = 50

/** What the hints of a class may cost: comparisons of two letters. */
const maxCompared = 10_000_000

/** Collects findings about one class: at most 50; the rest is counted. */
export class Findings {
  readonly #list: Finding[] = []
  #count = 0
  #compared = 0

  add(fails: Finding['fails'], { path, message }: Problem): void {
    this.#count++
    if (this.#list.length < maxReported) this.#list.push({ ...shortened({ path, message }), fails })
  }

  /** Whether further findings are only counted, so that details of them are not worth computing. */
  get full(): boolean {
    return this.#list.length >= maxReported
  }

  /** The name that was probably meant, for a finding that is to be added; undefined also when the hints of the class have cost enough. */
  nearest(name: string, names: readonly string[]): string | undefined {
    if (this.full || this.#compared > maxCompared) return undefined
    this.#compared += name.length * names.reduce((letters, { length }) => letters + length, 0)
    return nearestName(name, names)
  }

  get list(): Finding[] {
    const more = this.#count - this.#list.length
    return more === 0 ? this.#list : [...this.#list, { path: '', message: `and ${more} more`, fails: undefined }]
  }
}
