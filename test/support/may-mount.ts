import { spawnSync } from 'node:child_process'

let answer: boolean | undefined

/** Whether this process may mount: root on a machine, or root of a user namespace. */
export function mayMount(): boolean {
  answer ??=
    spawnSync('unshare', ['-m', '--propagation', 'private', 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt']).status === 0
  return answer
}
