import type { Finding, Section } from '../../identity/doctor/finding.ts'
import { type Observation, type Observed, observationOf, type StepId } from '../step.ts'
import { stepOfCode } from '../step-of-code.ts'

/** The step of each check of `keymount identity doctor`; what is not here stays with the step of its section. */
const stepOfCheck: Readonly<Record<string, StepId>> = {
  class: 'K4',
  mode: 'I3',
  tenant: 'I5',
  identity: 'I6',
  federation: 'I7',
  'sign-in': 'I8',
  vault: 'V1',
  secrets: 'I9',
  keys: 'I9',
  certs: 'I9',
  rights: 'I9',
}

const stepOfSection: Readonly<Record<Section['about'], StepId>> = {
  'last error': 'D1',
  pod: 'I2',
  account: 'I1',
  class: 'I3',
  issuer: 'I4',
  identity: 'I6',
  vault: 'I9',
}

/**
 * K4 and I1 to I9, V1: the findings of `keymount identity doctor`, each at its step. Those about the driver, about volumes and
 * the last error are judged elsewhere.
 *
 * @param needsWebhook whether the pod gets what it mounts only with the webhook; otherwise what is wrong with that is worth knowing
 */
export function judgeIdentity(sections: readonly Section[], needsWebhook: boolean): Observed {
  const observed: Partial<Record<StepId, Observation[]>> = {}
  for (const { about, findings } of sections) {
    if (about === 'last error') continue
    for (const finding of findings) {
      if (isJudgedElsewhere(finding)) continue
      const step = stepOf(about, finding)
      observed[step] = [...(observed[step] ?? []), observationOf(finding)]
    }
  }
  const { I2 = [] } = observed
  if (needsWebhook || I2.length === 0) return observed
  return { ...observed, I2: I2.map((one) => (one.state === 'fail' ? onlyForSdks(one) : one)) }
}

/** Files need no webhook: a pod that works is not created again for it, unless its application signs in itself. */
function onlyForSdks({ fix, ...one }: Observation): Observation {
  const text = `${one.text} (only an application that uses an Azure SDK needs it; the files do not)`
  return { ...one, text, state: 'warn', fix: one.code === 'webhook-not-ready' ? fix : [] }
}

/** A refused sign-in is at the step of Entra's reason. */
function stepOf(about: Section['about'], { check, code }: Finding): StepId {
  if (check === 'sign-in' && code !== undefined) return stepOfCode[code]
  if (about === 'issuer' || about === 'pod') return stepOfSection[about]
  return stepOfCheck[check] ?? stepOfSection[about]
}

function isJudgedElsewhere({ check, code }: Finding): boolean {
  return check === 'driver' || check === 'subPath' || code === 'class-not-found'
}
