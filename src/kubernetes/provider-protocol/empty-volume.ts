import type { ObjectVersion } from './generated/provider.ts'

/**
 * The version in an answer for a volume that has no files now, but may have some later. Without it, drivers take an answer without
 * files for that of a provider that writes them itself.
 */
export const emptyVolume: ObjectVersion = { id: 'select/none', version: '0' }

export function isEmptyVolume(versions: readonly ObjectVersion[]): boolean {
  return versions.length === 1 && versions[0]?.id === emptyVolume.id
}
