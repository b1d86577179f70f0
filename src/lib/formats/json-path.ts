/** Longer paths name nothing that a person wrote. */
const maxLength = 1000

const step = /\.([^.[\]'"\s*]+)|\[(\d+)\]|\['((?:[^'\\]|\\.)*)'\]|\["((?:[^"\\]|\\.)*)"\]/y

/**
 * The part of JSONPath that names one value: `$.a.b`, `$['odd.name']`, `$.list[0]`; the leading `$` may be left out.
 * https://www.rfc-editor.org/rfc/rfc9535 (singular queries). Undefined when the text is not such a path, or longer than
 * 1,000 characters.
 */
export function parseJsonPath(expression: string): (string | number)[] | undefined {
  if (expression.length > maxLength) return undefined
  let path = expression.trim()
  if (path.startsWith('$')) path = path.slice(1)
  else if (path !== '' && !path.startsWith('[')) path = `.${path}`
  const steps: (string | number)[] = []
  step.lastIndex = 0
  while (step.lastIndex < path.length) {
    const match = step.exec(path)
    if (match === null) return undefined
    const [, dotted, index, single, double] = match
    steps.push(index === undefined ? (dotted ?? (single ?? double ?? '').replace(/\\(.)/g, '$1')) : Number(index))
  }
  return steps.length === 0 ? undefined : steps
}
