import { type FlagForm, flagForm } from '#lib/flags'
import { daemonFlags } from '../daemon-flags.ts'

/** What every program takes for its flags, for the chart: it refuses other flags and values, in `extraArgs` and made of values. */
export function chartFlags(): string {
  const programs = Object.entries(daemonFlags).map(([program, flags]) => {
    const forms = Object.entries(flags).toSorted(([a], [b]) => (a < b ? -1 : 1))
    return `  ${JSON.stringify(program)}: {\n${forms.map(([name, spec]) => line(name, flagForm(spec))).join(',\n')}\n  }`
  })
  return `{\n${programs.join(',\n')}\n}\n`
}

function line(name: string, { expected, ...form }: FlagForm): string {
  return `    ${JSON.stringify(name)}: ${JSON.stringify(expected === '' ? form : { ...form, expected })}`
}
