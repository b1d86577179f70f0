/**
 * Why `name` cannot be the path of a file in a volume, or undefined. The first three texts are upstream's; the driver
 * refuses unclean paths too, but only after everything was read, and without naming the object.
 */
export function fileNameProblem(name: string): string | undefined {
  if (name === '') return 'file name must not be empty'
  if (name.startsWith('/')) return 'file name must be a relative path'
  if (name.includes('..')) return "file name must not contain '..'"
  if (name.split('/').some((part) => part === '' || part === '.')) {
    return `file name must be a clean path: found "${name}", expected "${cleanPath(name)}"`
  }
  if (hasControlCharacter(name)) return 'file name must not contain control characters'
  if (Buffer.byteLength(name) > 4000 || name.split('/').some((part) => Buffer.byteLength(part) > 255)) {
    return 'file name must not be longer than the file system allows (255 bytes per part)'
  }
  return undefined
}

/** The same path without empty and `.` parts. */
export function cleanPath(name: string): string {
  return name
    .split('/')
    .filter((part) => part !== '' && part !== '.')
    .join('/')
}

function hasControlCharacter(name: string): boolean {
  for (const character of name) {
    const code = character.codePointAt(0) ?? 0
    if (code < 0x20 || code === 0x7f) return true
  }
  return false
}

/**
 * Two files that cannot both be in one volume: the same path, or a path below a file. Undefined when all fit.
 */
export function collidingPaths(paths: readonly string[]): { path: string; other: string } | undefined {
  // With the separator as the lowest character, what lies below a path follows it directly.
  const sorted = paths.map((path) => path.replaceAll('/', '\0')).toSorted()
  for (const [index, path] of sorted.entries()) {
    const before = sorted[index - 1]
    if (before === undefined || (path !== before && !path.startsWith(`${before}\0`))) continue
    return { path: path.replaceAll('\0', '/'), other: before.replaceAll('\0', '/') }
  }
  return undefined
}
