import { Problems } from '#lib'
import type { Terminal } from '#terminal'
import type { PhaseSettings } from './options.ts'
import type { Phase, PhaseContext, PhaseOutcome } from './phase.ts'

/**
 * The phases that remain when some are skipped, in their order. A skipped phase is named in full or by its alias. Throws
 * `ProblemsError` for an unknown name, with the message of azwi.
 */
export function activePhases(phases: readonly Phase[], skip: readonly string[]): Phase[] {
  const isNamed = (phase: Phase, name: string) => phase.name === name || phase.alias === name
  const unknown = skip.find((name) => !phases.some((phase) => isNamed(phase, name)))
  if (unknown !== undefined) {
    const names = phases.map(({ name }) => name).join(' ')
    const problems = new Problems()
    problems.add('', `failed to compute skip phases: phase '${unknown}' not found. Valid phases are: [${names}]`)
    problems.throwIfAny('--skip-phases')
  }
  return phases.filter((phase) => !skip.some((name) => isNamed(phase, name)))
}

/**
 * Throws `ProblemsError` with the options that the phases lack, before any of them starts. A choice of several is left out where an
 * option that has to be given anyway decides it.
 */
export function checkPhases(phases: readonly Phase[], settings: PhaseSettings): void {
  const missing = missingOf(phases, settings)
  if (missing.size === 0) return
  const single = [...missing.keys()].flatMap((message) => /^--([\w-]+) is required$/.exec(message)?.[1] ?? [])
  const given = Object.fromEntries(single.map((flag) => [settingOf(flag), 'given']))
  const undecided = missingOf(phases, { ...settings, ...given })
  const problems = new Problems()
  for (const [message, names] of missing) {
    const isDecided = message.includes(' or ') && !undecided.has(message)
    if (!isDecided) problems.add('', `${message} (phase ${names.join(', ')})`)
  }
  problems.throwIfAny('options')
}

/** The names of the phases by what they lack. */
function missingOf(phases: readonly Phase[], settings: PhaseSettings): Map<string, string[]> {
  const all = phases.flatMap(({ name, missing }) => missing(settings).map((message) => ({ name, message })))
  const grouped = Map.groupBy(all, ({ message }) => message)
  return new Map([...grouped].map(([message, found]) => [message, found.map(({ name }) => name)]))
}

/** `aad-application-name` → `aadApplicationName`, the name of the option's setting. */
function settingOf(flag: string): string {
  return flag.replaceAll(/-(\w)/g, (_, letter: string) => letter.toUpperCase())
}

/** Runs the phases in their order, up to the first that fails; its line shows which one that was. */
export async function runPhases(phases: readonly Phase[], context: PhaseContext, terminal: Terminal): Promise<void> {
  for (const phase of phases) {
    await terminal.step(phase.name, () => phase.run(context), describe)
  }

  function describe({ text, warning }: PhaseOutcome): string {
    return warning === true ? terminal.style.dim(text) : text
  }
}

/** The phases for the help of a command. */
export function phasesHelp(phases: readonly Phase[]): string {
  const width = Math.max(...phases.map(({ name }) => name.length))
  return [
    'The phases, in their order:',
    ...phases.map((one) => `  ${one.name.padEnd(width)}  ${one.description}`),
  ].join('\n')
}
