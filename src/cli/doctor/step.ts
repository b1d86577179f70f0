import type { AnyCode } from '#product/error-catalogue'
import type { Finding } from '../identity/doctor/finding.ts'

/** The steps of the data path, in its order: from the cluster over the identity and the vault to what follows a rotation. */
const stepTitles = {
  K1: 'CSIDriver object',
  K2: 'driver and provider',
  K3: 'pod',
  K4: 'class',
  I1: 'service account',
  I2: 'webhook',
  I3: 'way to sign in',
  I4: 'issuer',
  I5: 'tenant',
  I6: 'identity',
  I7: 'federated credential',
  I8: 'sign-in',
  I9: 'rights on the vault',
  V1: 'vault',
  V2: 'objects',
  D1: 'files',
  S1: 'Kubernetes Secret',
  R1: 'restart',
  E1: 'events',
} as const

export type StepId = keyof typeof stepTitles

export const stepIds = Object.keys(stepTitles) as StepId[]

/** What one check of a step has found. */
export interface Observation {
  state: 'ok' | 'warn' | 'fail' | 'unknown'
  code?: AnyCode | undefined
  text: string
  /** Commands that can be pasted: the first one repairs it, as far as a command can. */
  fix?: readonly string[] | undefined
}

/** A row of the table, as `-o json` prints it. */
export interface Step {
  id: StepId
  title: string
  state: Observation['state'] | 'not-reached'
  code?: AnyCode | undefined
  found?: string | undefined
  fix?: readonly string[] | undefined
}

/** All observations of a step; a step that does not apply to the target is absent. */
export type Observed = Partial<Record<StepId, readonly Observation[]>>

/**
 * The table: steps after the first that is wrong are not reached, because what they show may follow from it.
 *
 * @param stops false where the steps are about different objects, as in a summary
 */
export function tableOf(observed: Observed, stops = true): Step[] {
  let isReached = true
  return stepIds.flatMap((id): Step[] => {
    const observations = observed[id]
    if (observations === undefined) return []
    const title = stepTitles[id]
    if (!isReached) return [{ id, title, state: 'not-reached' }]
    const step = { id, title, ...merged(observations) }
    isReached = !stops || step.state !== 'fail'
    return [step]
  })
}

const severity = ['fail', 'warn', 'unknown', 'ok'] as const

/** The worst of them, in their own words; each with its code if they have different ones. */
function merged(observations: readonly Observation[]): Omit<Step, 'id' | 'title'> {
  const state = severity.find((one) => observations.some((each) => each.state === one)) ?? 'unknown'
  const worst = observations.filter((one) => one.state === state)
  const codes = [...new Set(worst.flatMap(({ code }) => code ?? []))]
  const texts = worst.map(({ code, text }) => {
    const own = withoutCode(text, code)
    return codes.length > 1 && code !== undefined ? `[${code}] ${own}` : own
  })
  const fix = [...new Set(worst.flatMap((one) => one.fix ?? []))]
  return {
    state,
    code: codes[0],
    found: [...new Set(texts)].join('; ') || undefined,
    fix: fix.length === 0 ? undefined : fix,
  }
}

/** Messages of driver and provider have their code in brackets; the table names it once. */
function withoutCode(text: string, code: AnyCode | undefined): string {
  return code === undefined ? text : text.replaceAll(`[${code}] `, '').replaceAll(` [${code}]`, '')
}

export function fine(text: string): Observation {
  return { state: 'ok', text }
}

export function warn(code: AnyCode, text: string, fix: readonly string[] = []): Observation {
  return { state: 'warn', code, text, fix }
}

export function fail(code: AnyCode, text: string, fix: readonly string[] = []): Observation {
  return { state: 'fail', code, text, fix }
}

export function notKnown(why: string): Observation {
  return { state: 'unknown', text: why }
}

export function hasFailed(observations: readonly Observation[] = []): boolean {
  return observations.some(({ state }) => state === 'fail')
}

/** A finding of `keymount identity doctor` as an observation. What is worth knowing there is not wrong. */
export function observationOf({ status, code, check, text, fix }: Finding): Observation {
  const state = { ok: 'ok', note: 'ok', problem: 'fail', unknown: 'unknown' } as const
  return { state: state[status], code, text: status === 'ok' || status === 'note' ? `${check}: ${text}` : text, fix }
}
