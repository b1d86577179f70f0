import { readFileSync } from 'node:fs'
import { isWithin, type Mount, parseMounts } from '#lib/files'
import { CliError } from '#terminal'
import type { LabHome } from '../state/lab-home.ts'
import { type Background, findBackground, startBackground } from './background.ts'

/**
 * The lab's mounts are in a mount namespace of their own, which a sleeping process holds open: they are invisible on the
 * user's machine, and when that process ends, the kernel removes what is left. Without root it is a user namespace too, in
 * which the lab can mount. user_namespaces(7), mount_namespaces(7)
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
    'run the command as root',
    'or allow user namespaces: sudo sysctl -w user.max_user_namespaces=15000',
    'on older Debian also: sudo sysctl -w kernel.unprivileged_userns_clone=1',
    'on Ubuntu also: sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0',
  ]
}

/** The words before a command that run it inside the namespace; the process id stays that of the spawned process. */
export function insideNamespace({ process: { pid } }: Background): string[] {
  const kinds = isRoot() ? ['--mount'] : ['--user', '--preserve-credentials', '--mount']
  return ['nsenter', '--target', String(pid), ...kinds, '--']
}

/** The mounts below `directory` that a process sees; none for a process that has ended. proc(5), /proc/PID/mountinfo */
export function mountsBelow(pid: number, directory: string): Mount[] {
  let text: string
  try {
    text = readFileSync(`/proc/${pid}/mountinfo`, 'utf8')
  } catch {
    return []
  }
  return parseMounts(text).filter(({ mountPoint }) => mountPoint !== directory && isWithin(directory, mountPoint))
}

function isRoot(): boolean {
  return process.getuid?.() === 0
}
