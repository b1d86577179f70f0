/**
 * The part of JSONPath that names one value: `$.a.b`, `$['odd.name']`, `$.list[0]`; the leading `$` may be left out.
 * https://www.rfc-editor.org/rfc/rfc9535 (singular queries). Undefined when the text is no such path.
 */
export function parseJsonPath(expression: string): (string | number)[] | undefined {
  let rest = expression.trim()
  if (rest.startsWith('$')) rest = rest.slice(1)
  else if (rest !== '' && !rest.startsWith('[')) rest = `.${rest}`
  const steps: (string | number)[] = []
  while (rest !== '') {
    const match = /^\.([^.[\]'"\s*]+)|^\[(\d+)\]|^\['((?:[^'\\]|\\.)*)'\]|^\["((?:[^"\\]|\\.)*)"\]/.exec(rest)
    if (match === null) return undefined
    const [whole, dotted, index, single, double] = match
    steps.push(index === undefined ? (dotted ?? (single ?? double ?? '').replace(/\\(.)/g, '$1')) : Number(index))
    rest = rest.slice(whole.length)
  }
  return steps.length === 0 ? undefined : steps
}
