/** RFC 6902 as far as the webhook uses it, on a copy: `add` and `replace`, and an error for anything an API server would refuse. */
export function applyJsonPatch(
  document: unknown,
  patch: readonly { op: string; path: string; value: unknown }[],
): unknown {
  const result = structuredClone(document)
  for (const { op, path, value } of patch) {
    const steps = path
      .split('/')
      .slice(1)
      .map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'))
    const last = steps.pop() ?? ''
    const parent = steps.reduce<unknown>((at, step) => (at as Record<string, unknown> | undefined)?.[step], result)
    if (typeof parent !== 'object' || parent === null) throw new Error(`${op} ${path}: there is no parent`)
    const copy = structuredClone(value)
    if (Array.isArray(parent)) {
      const index = last === '-' ? parent.length : Number(last)
      if (!(index >= 0 && index <= parent.length)) throw new Error(`${op} ${path}: no such index`)
      if (op === 'replace' && index === parent.length) throw new Error(`${op} ${path}: nothing to replace`)
      parent.splice(index, op === 'replace' ? 1 : 0, copy)
    } else {
      if (op === 'replace' && !Object.hasOwn(parent, last)) throw new Error(`${op} ${path}: nothing to replace`)
      Object.assign(parent, { [last]: copy })
    }
  }
  return result
}
