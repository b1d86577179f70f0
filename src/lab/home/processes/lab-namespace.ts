import { readFileSync } from 'node:fs'
import { CliError } from '#terminal'
import type { LabHome } from '../state/lab-home.ts'
import { type Background, findBackground, startBackground } from './background.ts'

/**
 * The lab's mounts live in a mount namespace of their own, which one sleeping process keeps: the user's machine never shows
 * them, and when that process ends the kernel takes down whatever is left. Without root it is a user namespace as well, in
 * which the lab may mount. user_namespaces(7), mount_namespaces(7)
 */
export async function openLabNamespace(
  home: LabHome,
  options: { env: Record<string, string>; signal: AbortSignal },
): Promise<Background> {
  const running = findBackground(home, 'namespace')
  if (running !== undefined) return running
  const kinds = isRoot() ? ['--mount'] : ['--user', '--map-root-user', '--mount']
  const keeper = `echo '{"ready":true}'; exec sleep infinity`
  try {
    return await startBackground({
      home,
      name: 'namespace',
      title: 'the mount namespace of the lab',
      command: ['unshare', ...kinds, '--propagation', 'private', '--', '/bin/sh', '-c', keeper],
      ...options,
    })
  } catch (cause) {
    if (!(cause instanceof CliError)) throw cause
    throw new CliError({
      what: 'This machine does not let the local cluster mount file systems',
      why: cause.detail || cause.why,
      fix: waysToMount(cause),
      cause,
    })
  }
}

function waysToMount({ why = '' }: CliError): string[] {
  if (why.includes('ENOENT')) return ['install util-linux, which has unshare and nsenter']
  if (isRoot()) return ['in a container, start it with --privileged, or with CAP_SYS_ADMIN and no seccomp filter']
  return [
    'run the same command as root',
    'or allow user namespaces, as root: sysctl -w user.max_user_namespaces=15000, on old Debian also kernel.unprivileged_userns_clone=1, on Ubuntu kernel.apparmor_restrict_unprivileged_userns=0',
  ]
}

/** The words before a command that run it inside the namespace; the process id stays that of the spawned process. */
export function insideNamespace({ process: { pid } }: Background): string[] {
  const kinds = isRoot() ? ['--mount'] : ['--user', '--preserve-credentials', '--mount']
  return ['nsenter', '--target', String(pid), ...kinds, '--']
}

export interface Mount {
  mountPoint: string
  type: string
}

/** The mounts below `directory` that a process sees. proc(5), /proc/PID/mountinfo */
export function mountsBelow(pid: number, directory: string): Mount[] {
  let text: string
  try {
    text = readFileSync(`/proc/${pid}/mountinfo`, 'utf8')
  } catch {
    return []
  }
  return text
    .split('\n')
    .map((line) => line.split(' '))
    .map((words) => ({ mountPoint: unescapeOctal(words[4] ?? ''), type: words[words.indexOf('-') + 1] ?? '' }))
    .filter(({ mountPoint }) => mountPoint.startsWith(`${directory}/`))
}

/** Spaces and the like stand as `\040` in mountinfo. */
function unescapeOctal(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)))
}

function isRoot(): boolean {
  return process.getuid?.() === 0
}
