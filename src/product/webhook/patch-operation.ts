/** One operation of a JSON patch. The webhook only adds and replaces. https://www.rfc-editor.org/rfc/rfc6902 */
export interface PatchOperation {
  op: 'add' | 'replace'
  path: string
  value: unknown
}

/**
 * Operations that append `items` to the list at `path`: one that creates the list where it is missing (`existing` undefined),
 * otherwise one per item. Empty for no items.
 */
export function appendTo(
  path: string,
  existing: readonly unknown[] | undefined,
  items: readonly unknown[],
): PatchOperation[] {
  if (items.length === 0) return []
  if (existing === undefined) return [{ op: 'add', path, value: items }]
  return items.map((value) => ({ op: 'add', path: `${path}/-`, value }))
}
