/** The events of the operator, from its metrics. */
export interface EventsFigures {
  sources: readonly { name: string; up: boolean }[]
  /** In milliseconds since the Unix epoch; undefined before the first event. */
  last: number | undefined
  /** Mean of `events_lag_seconds`; undefined before the first change. */
  lag: number | undefined
  /** `events_queue_age_seconds`. */
  age: number
  held: number
  classes: number
  /** Vaults of which every change is heard of, by `events_confirmed`; empty where drivers poll at their own intervals. */
  confirmed: readonly { vault: string; isConfirmed: boolean }[]
  /** By the reason. */
  ignored: Readonly<Record<string, number>>
}

/** Seconds that a date can have. */
function isTime(seconds: number): boolean {
  return seconds >= 0 && seconds <= 8.64e12
}

interface Sample {
  name: string
  label: string
  value: number
}

/** Reads them from the Prometheus text of `/metrics`; other metrics are left out. */
export function readFigures(text: string): EventsFigures {
  const samples = text.split('\n').flatMap((line) => sampleOf(line) ?? [])
  const all = (name: string) => samples.filter((sample) => sample.name === name)
  const one = (name: string) => all(name)[0]?.value
  const [sum, count = 0] = [one('events_lag_seconds_sum'), one('events_lag_seconds_count')]
  const last = one('events_last_timestamp_seconds')
  return {
    sources: all('events_source_up').map(({ label, value }) => ({ name: label, up: value === 1 })),
    last: last === undefined || !isTime(last) ? undefined : last * 1000,
    lag: sum === undefined || count === 0 ? undefined : sum / count,
    age: one('events_queue_age_seconds') ?? 0,
    held: one('events_held') ?? 0,
    classes: one('events_classes') ?? 0,
    confirmed: all('events_confirmed').map(({ label, value }) => ({ vault: label, isConfirmed: value === 1 })),
    ignored: Object.fromEntries(all('events_ignored_total').map(({ label, value }) => [label, value])),
  }
}

/** A sample with one label at most. */
function sampleOf(line: string): Sample | undefined {
  const [, name, label = '', value] = /^(events_\w{1,60})(?:\{\w{1,60}="([^"]{0,200})"\})? (\S{1,40})$/.exec(line) ?? []
  return name === undefined ? undefined : { name, label, value: Number(value) }
}
