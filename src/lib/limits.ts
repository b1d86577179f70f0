/**
 * A bound on what a caller may ask for. Each part has one table of its limits, which the code checks against and which
 * `docs/limits.md` is generated from.
 */
export interface Limit {
  /** The largest that is accepted: the default where `flag` can change it. */
  value: number
  /** Of what `value` is a number. */
  unit: 'bytes' | 'characters' | 'milliseconds' | 'count'
  /** What is limited, as a noun phrase: `objects of a class`. */
  what: string
  /** What happens beyond it. */
  beyond: string
  /** The flag that changes it, with its program: `provider --max-mount-bytes`. */
  flag?: string
}

export type LimitTable = Readonly<Record<string, Limit>>

/** `objects of a class: found 700, at most 500 are accepted`, and the flag that raises it where there is one. */
export function beyondLimit(limit: Limit, found: number, value: number = limit.value): string {
  const raise = limit.flag === undefined ? '' : ` (${limit.flag} raises it)`
  return `${limit.what}: found ${withUnit(found, limit.unit)}, at most ${withUnit(value, limit.unit)} are accepted${raise}`
}

/** A number of a limit's unit in the form that people read: `256 KiB`, `1,000`, `60 s`. */
export function withUnit(value: number, unit: Limit['unit']): string {
  const number = grouped(value)
  switch (unit) {
    case 'bytes':
      return formatBytes(value)
    case 'milliseconds':
      return value >= 1000 ? `${grouped(value / 1000)} s` : `${number} ms`
    case 'characters':
      return `${number} characters`
    case 'count':
      return number
    default:
      throw new Error(`unknown unit ${JSON.stringify(unit satisfies never)}`)
  }
}

function formatBytes(value: number): string {
  for (const [size, name] of [
    [1024 * 1024, 'MiB'],
    [1024, 'KiB'],
  ] as const) {
    if (value >= size && value % size === 0) return `${grouped(value / size)} ${name}`
  }
  return `${grouped(value)} bytes`
}

/** `1,234.5`. Not `toLocaleString`: its language data costs each daemon 5 MiB, already for the text of a flag. */
function grouped(value: number): string {
  const [whole = '', fraction] = String(Math.round(value * 1000) / 1000).split('.')
  const groups: string[] = []
  for (let end = whole.length; end > 0; end -= 3) groups.unshift(whole.slice(Math.max(0, end - 3), end))
  return fraction === undefined ? groups.join(',') : `${groups.join(',')}.${fraction}`
}
