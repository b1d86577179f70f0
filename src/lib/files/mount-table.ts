import { readFileSync } from 'node:fs'

/** One mount of a process. https://man7.org/linux/man-pages/man5/proc_pid_mountinfo.5.html */
export interface Mount {
  mountPoint: string
  options: string[]
  /** Whether mounts below it propagate. */
  shared: boolean
  fsType: string
}

/** The mounts that this process sees, oldest first. */
export function readMounts(): Mount[] {
  return parseMounts(readFileSync('/proc/self/mountinfo', 'utf8'))
}

export function parseMounts(text: string): Mount[] {
  const lines = text.split('\n').filter((line) => line !== '')
  return lines.map((line) => {
    const [left = '', right = ''] = line.split(' - ', 2)
    const [, , , , mountPoint = '', options = '', ...optional] = left.split(' ')
    return {
      mountPoint: unescapeOctal(mountPoint),
      options: options.split(','),
      shared: optional.some((field) => field.startsWith('shared:')),
      fsType: right.split(' ')[0] ?? '',
    }
  })
}

/** The mount that a path lies on. */
export function mountOf(mounts: readonly Mount[], path: string): Mount | undefined {
  let best: Mount | undefined
  for (const mount of mounts) {
    const covers = isWithin(mount.mountPoint, path)
    if (covers && (best === undefined || mount.mountPoint.length >= best.mountPoint.length)) best = mount
  }
  return best
}

/** Flags of a mount that a user namespace must not take away when it mounts the same again read-only. */
export function lockedFlags(mount: Mount | undefined): string[] {
  return ['nosuid', 'nodev', 'noexec'].filter((flag) => mount?.options.includes(flag))
}

/** Whether `path` is `directory` or below it; both absolute and normal. */
export function isWithin(directory: string, path: string): boolean {
  return path === directory || path.startsWith(directory === '/' ? '/' : `${directory}/`)
}

/** The kernel writes space, tab, newline and backslash as `\040` and so on, byte by byte. */
function unescapeOctal(text: string): string {
  if (!text.includes('\\')) return text
  const bytes = Buffer.from(text, 'utf8')
    .toString('latin1')
    .replaceAll(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)))
  return Buffer.from(bytes, 'latin1').toString('utf8')
}
