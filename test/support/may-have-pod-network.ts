import { spawnSync } from 'node:child_process'
import { mayMount } from './may-mount.ts'

let answer: boolean | undefined

/** Whether pods of a local cluster can have networks of their own here; see docs/lab.md. */
export function mayHavePodNetwork(): boolean {
  answer ??=
    mayMount() &&
    spawnSync('unshare', [
      '-n',
      'sh',
      '-c',
      'ip link add name test type bridge && echo 1 >/proc/sys/net/ipv4/ip_forward',
    ]).status === 0
  return answer
}

export const noPodNetwork = 'pods cannot have networks of their own here (root or a user namespace, and ip of iproute2)'
