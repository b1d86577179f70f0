import { createHash } from 'node:crypto'

/**
 * Names one state of a volume: equal exactly when its class and the versions of all its objects are equal. The one
 * definition for all parts. The hashed text is the one that stakater/Reloader hashes, so that both agree on what changed.
 *
 * @returns 16 hexadecimal digits.
 */
export function versionHash(
  className: string,
  objects: readonly { id?: string | undefined; version?: string | undefined }[],
): string {
  const entries = objects.map(({ id = '', version = '' }) => `${id}=${version}`)
  return shortHash([...entries, `SecretProviderClassName=${className}`])
}

/** Of a set of lines, whatever their order: 16 hexadecimal digits. */
export function shortHash(lines: readonly string[]): string {
  return createHash('sha256').update(lines.toSorted().join(';')).digest('hex').slice(0, 16)
}
