import { parseArgs } from 'node:util'

/** The options of a benchmark: each is `--name`, a number or a text as its default is. Throws for another option. */
export function benchOptions<T extends Readonly<Record<string, number | string>>>(
  defaults: T,
): { readonly [K in keyof T]: T[K] extends number ? number : string } {
  const options = Object.fromEntries(
    Object.entries(defaults).map(([name, value]) => [name, { type: 'string' as const, default: String(value) }]),
  )
  const { values } = parseArgs({ options })
  const read = Object.entries(defaults).map(([name, value]) => {
    const text = values[name] ?? ''
    if (typeof value === 'string') return [name, text]
    if (text.trim() === '' || !Number.isFinite(Number(text))) throw new Error(`--${name}: expected a number: ${text}`)
    return [name, Number(text)]
  })
  return Object.fromEntries(read)
}
