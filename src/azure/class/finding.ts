import { formatProblem, type Problem } from '#lib'

/** Something that whoever writes a class should know before a pod mounts it. */
export interface Finding extends Problem {
  /** What will fail: every mount, or the writing of a Secret. Undefined when the class may just not mean what it says. */
  fails: 'mount' | 'secret' | undefined
}

const consequences = { mount: 'no pod can mount it: ', secret: 'a Secret will be missing: ' } as const

/** One line for people: what follows, where and why. */
export function formatFinding({ fails, ...problem }: Finding): string {
  return `${fails === undefined ? '' : consequences[fails]}${formatProblem(problem)}`
}
