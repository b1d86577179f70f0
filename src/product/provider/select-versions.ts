import type { ObjectVersionInfo } from '#azure/keyvault'

/**
 * The newest `count` enabled versions, newest first, beginning with `from` (empty: the newest). Versions of one second keep
 * a fixed order, by id, so that indexes do not swap from mount to mount. Undefined when `from` is not among them.
 */
export function selectVersions(
  versions: readonly ObjectVersionInfo[],
  { from, count }: { from: string; count: number },
): ObjectVersionInfo[] | undefined {
  const sorted = versions
    .filter(({ enabled }) => enabled)
    .toSorted((a, b) => b.created - a.created || (a.version < b.version ? -1 : 1))
  const start = from === '' ? 0 : sorted.findIndex(({ version }) => version === from)
  return start < 0 ? undefined : sorted.slice(start, start + count)
}
