import { daemonFlags } from '../daemon-flags.ts'

/** The names of every program's flags, for the chart: it refuses others in `extraArgs`. */
export function chartFlags(): string {
  const names = Object.entries(daemonFlags).map(([program, flags]) => [program, Object.keys(flags).toSorted()])
  return `${JSON.stringify(Object.fromEntries(names), undefined, 2)}\n`
}
