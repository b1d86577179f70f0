import { join } from 'node:path'
import { lockedFlags, type Mount, mountOf } from '#lib/files'
import type { HostPrograms, Toolbox, ToolboxProgram } from './host-programs.ts'
import { deviceNames, type Image } from './images.ts'

/** A volume as one container sees it. */
export interface ContainerMount {
  /** On the machine, without symbolic links. */
  source: string
  target: string
  kind: 'directory' | 'file'
  readOnly: boolean
  propagation: 'rprivate' | 'rslave' | 'rshared'
  /** Flags that the source's mount has and that a user namespace must not take away. */
  keptFlags: string[]
}

export interface ContainerPlan {
  image: Image
  /** In the order of mounting. */
  mounts: ContainerMount[]
  hostname: string
  workingDirectory: string
  privileged: boolean
  readOnlyRoot: boolean
}

export interface SandboxTools {
  programs: HostPrograms
  toolbox: Toolbox
  /** The mounts of the machine. */
  machine: readonly Mount[]
  /** Empty directory on a private mount: every container mounts its own root there, in its own mount namespace. */
  sandbox: string
  /** Whether the machine's real root runs this: extended attributes of overlayfs differ. */
  initialUserNamespace: boolean
}

/** What the script writes to standard error when everything is mounted and only the command is left to run. */
export const readyLine = 'keymount: ready'

/**
 * The shell script that turns process 1 of new namespaces into a container: it mounts the root file system, moves into it,
 * mounts the volumes, lets go of the machine's file system, and becomes `words`. Errors go to standard error; the
 * container's output is file descriptor 3.
 *
 * The old root stays at `/.host` until all volumes are mounted, so that targets are resolved inside the container: a link
 * in an image or a volume cannot lead a mount outside.
 */
export function containerScript(plan: ContainerPlan, words: readonly string[], tools: SandboxTools): string {
  const { programs, toolbox, sandbox, initialUserNamespace, machine } = tools
  const { image, mounts, hostname, workingDirectory, privileged, readOnlyRoot } = plan
  const root = join(sandbox, 'root')
  const upper = join(sandbox, 'upper')
  const work = join(sandbox, 'work')
  const layers = `lowerdir=${image.layers.join(':')},upperdir=${upper},workdir=${work}`
  const overlay = initialUserNamespace ? layers : `${layers},userxattr`
  const run = (program: keyof HostPrograms, ...words: string[]) => shell(programs[program], ...words)
  const inside = (program: ToolboxProgram, ...words: string[]) => shell(...toolbox.command(program), ...words)
  const bindHost = (path: string) =>
    run('mount', '--bind', '-o', ['ro', ...lockedFlags(mountOf(machine, path))].join(','), path, join(root, path))

  return [
    'set -e',
    run('mount', '-t', 'tmpfs', '-o', 'nodev,mode=755', 'tmpfs', sandbox),
    run('mkdir', '-p', root, work, upper, `${upper}/.host`),
    run('mount', '-t', 'overlay', '-o', overlay, 'overlay', root),
    ...image.hostDirectories.map(bindHost),
    run('mount', '-t', 'proc', 'proc', join(root, 'proc')),
    ...(privileged ? [run('mount', '--rbind', '/dev', join(root, 'dev'))] : devices(root, run)),
    run('hostname', hostname),
    `cd ${quote(toolbox.directory)}`,
    run('pivot_root', root, join(root, '.host')),
    ...mounts.flatMap((mount) => bindVolume(mount, inside)),
    inside('mkdir', '-p', workingDirectory),
    // As a slave, so that unmounting here unmounts nothing on the machine.
    inside('mount', '--make-rslave', '/.host'),
    inside('umount', '-l', '/.host'),
    inside('rmdir', '/.host'),
    ...(readOnlyRoot ? [inside('mount', '-o', 'remount,bind,ro', '/')] : []),
    `echo ${quote(readyLine)} >&2`,
    `exec ${shell(...words)} 2>&3 3>&-`,
  ].join('\n')
}

type Run = (program: keyof HostPrograms, ...words: string[]) => string

function devices(root: string, run: Run): string[] {
  return [
    `for d in ${deviceNames.join(' ')}; do ${run('mount', '--bind')} /dev/$d ${quote(join(root, 'dev'))}/$d; done`,
    run('mount', '-t', 'tmpfs', '-o', 'nosuid,nodev,mode=1777', 'tmpfs', join(root, 'dev/shm')),
    run('mount', '-t', 'devpts', '-o', 'newinstance,ptmxmode=0666,mode=0620', 'devpts', join(root, 'dev/pts')),
  ]
}

function bindVolume(mount: ContainerMount, inside: (program: ToolboxProgram, ...words: string[]) => string): string[] {
  const { source, target, kind, readOnly, propagation, keptFlags } = mount
  const parent = kind === 'directory' ? target : join(target, '..')
  const options = readOnly ? ['-o', ['ro', ...keptFlags].join(',')] : []
  return [
    inside('mkdir', '-p', parent),
    ...(kind === 'file' ? [`[ -e ${quote(target)} ] || : > ${quote(target)}`] : []),
    inside('mount', '--rbind', ...options, `--make-${propagation}`, `/.host${source}`, target),
  ]
}

/** Words as one command of a POSIX shell. */
function shell(...words: string[]): string {
  return words.map(quote).join(' ')
}

export function quote(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`
}
