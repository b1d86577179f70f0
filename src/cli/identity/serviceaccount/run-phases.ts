import { ProblemsError } from '#lib'
import type { Terminal } from '#terminal'
import type { PhaseSettings } from './options.ts'
import type { Phase, PhaseContext, PhaseOutcome } from './phase.ts'

/**
 * The phases that are left when some are skipped, in their order. A skipped phase is named in full or by its alias. Throws
 * {@link ProblemsError} with upstream's words for a name that there is not.
 */
export function activePhases(phases: readonly Phase[], skip: readonly string[]): Phase[] {
  const isNamed = (phase: Phase, name: string) => phase.name === name || phase.alias === name
  const unknown = skip.find((name) => !phases.some((phase) => isNamed(phase, name)))
  if (unknown !== undefined) {
    const names = phases.map(({ name }) => name).join(' ')
    const message = `failed to compute skip phases: phase '${unknown}' not found. Valid phases are: [${names}]`
    throw new ProblemsError('--skip-phases', [{ path: '', message }])
  }
  return phases.filter((phase) => !skip.some((name) => isNamed(phase, name)))
}

/** Throws {@link ProblemsError} with everything that the phases lack, before any of them has begun. */
export function checkPhases(phases: readonly Phase[], settings: PhaseSettings): void {
  const wanting = new Map<string, string[]>()
  for (const phase of phases) {
    for (const words of phase.missing(settings)) wanting.set(words, [...(wanting.get(words) ?? []), phase.name])
  }
  const problems = [...wanting].map(([words, names]) => ({ path: '', message: `${words} (phase ${names.join(', ')})` }))
  if (problems.length > 0) throw new ProblemsError('options', problems)
}

/** Runs the phases in their order; the first that fails ends it, and the user sees which one it was. */
export async function runPhases(phases: readonly Phase[], context: PhaseContext, terminal: Terminal): Promise<void> {
  for (const phase of phases) {
    await terminal.step(phase.name, () => phase.run(context), describe)
  }

  function describe({ text, warning }: PhaseOutcome): string {
    return warning === true ? terminal.style.dim(text) : text
  }
}

/** The help that lists what a command does: names of one width. */
export function phasesHelp(phases: readonly Phase[]): string {
  const width = Math.max(...phases.map(({ name }) => name.length))
  return [
    'The phases, in their order:',
    ...phases.map((one) => `  ${one.name.padEnd(width)}  ${one.description}`),
  ].join('\n')
}
