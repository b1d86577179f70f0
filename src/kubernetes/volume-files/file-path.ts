/** Limits of Linux for a whole path and for one name in it, in bytes. */
const maxPathBytes = 4096
const maxNameBytes = 255

/**
 * Why the path of a volume's file is unusable, or undefined when it is fine. The path must stay in the volume and already be in
 * its shortest form; a first name that starts with `..` is reserved for the volume's own entries.
 * CVE-2020-8567 was the absence of this check.
 */
export function filePathProblem(path: string): string | undefined {
  if (path === '') return 'is empty'
  if (path.includes('\0')) return 'has a NUL character'
  if (path.startsWith('/')) return 'is absolute'
  if (Buffer.byteLength(path) > maxPathBytes) return `is longer than ${maxPathBytes} bytes`
  const names = path.split('/')
  if (names.includes('..')) return 'contains ".."'
  if (path.startsWith('..')) return 'starts with ".."'
  if (names.some((name) => name === '' || name === '.'))
    return 'is not in its shortest form ("." or "//" or a final "/")'
  if (names.some((name) => Buffer.byteLength(name) > maxNameBytes))
    return `has a name longer than ${maxNameBytes} bytes`
  return undefined
}
