/** One line of /proc/self/mountinfo, as far as we use it. https://man7.org/linux/man-pages/man5/proc_pid_mountinfo.5.html */
export interface MountEntry {
  mountPoint: string
  fsType: string
}

export function parseMountTable(text: string): MountEntry[] {
  const entries: MountEntry[] = []
  for (const line of text.split('\n')) {
    const [before = '', after = ''] = line.split(' - ', 2)
    const mountPoint = before.split(' ')[4]
    const fsType = after.split(' ')[0]
    if (mountPoint !== undefined && fsType !== undefined)
      entries.push({ mountPoint: unescapeOctal(mountPoint), fsType })
  }
  return entries
}

/** The kernel writes space, tab, newline and backslash as `\040` and so on, byte by byte. */
function unescapeOctal(text: string): string {
  if (!text.includes('\\')) return text
  const bytes = Buffer.from(text, 'utf8')
    .toString('latin1')
    .replaceAll(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)))
  return Buffer.from(bytes, 'latin1').toString('utf8')
}
