/** The parts of RFC 3339 in the layout language of Go, with their forms. */
const parts: readonly (readonly [layout: string, form: RegExp])[] = [
  ['2006', /^\d{4}/],
  ['-', /^-/],
  ['01', /^\d\d/],
  ['-', /^-/],
  ['02', /^\d\d/],
  ['T', /^T/],
  ['15', /^\d\d/],
  [':', /^:/],
  ['04', /^\d\d/],
  [':', /^:/],
  ['05', /^\d\d/],
]
const zone = /^(?:Z|[+-]\d\d:\d\d)/

/**
 * What is wrong with a time stamp, in the words of Go; undefined when it is right.
 *
 * @param options.micro exactly six digits of a second are required, as in the times of a Lease.
 */
export function timeFault(text: string, { micro }: { micro: boolean }): string | undefined {
  const layout = `2006-01-02T15:04:05${micro ? '.000000' : ''}Z07:00`
  const fraction = micro ? /^\.\d{6}(?!\d)/ : /^(?:[.,]\d+)?/
  let rest = text
  for (const [name, form] of [...parts, ['.000000', fraction] as const, ['Z07:00', zone] as const]) {
    const found = form.exec(rest)
    if (found === null)
      return `parsing time ${JSON.stringify(text)} as "${layout}": cannot parse ${JSON.stringify(rest)} as "${name}"`
    rest = rest.slice(found[0].length)
  }
  if (rest !== '') return `parsing time ${JSON.stringify(text)}: extra text: ${JSON.stringify(rest)}`
  return Number.isNaN(Date.parse(text)) ? `parsing time ${JSON.stringify(text)}: value out of range` : undefined
}
