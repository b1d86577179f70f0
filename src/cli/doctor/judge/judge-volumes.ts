import { type SecretProviderClassPodStatus, statusAnnotations } from '#kubernetes/client'
import { codesIn } from '#product/error-catalogue'
import { commandLine, countOf } from '#terminal'
import { failureText } from '../../cluster/failure-text.ts'
import { fail, fine, type Observation } from '../step.ts'
import { judgeStatus } from './judge-files.ts'

/** This many pods are named; the others are counted. */
const mostNamed = 5

/** D1 of many volumes: how many fail or are late, with the doctor's command for each pod. */
export function judgeVolumes(
  statuses: readonly SecretProviderClassPodStatus[],
  times: { nowMs: number; quietMs: number },
): Observation[] {
  const failing = statuses.filter(({ metadata }) => metadata.annotations?.[statusAnnotations.lastFailure] !== undefined)
  const stale = statuses.filter(({ metadata }) => metadata.annotations?.[statusAnnotations.staleSince] !== undefined)
  const late = statuses.filter((status) => judgeStatus(status, times).some(({ code }) => code === 'check-late'))
  return [
    ...(failing.length === 0 ? [] : [failureOf(failing)]),
    ...(stale.length === 0
      ? []
      : [
          fail(
            'values-stale',
            `${countOf(stale.length, 'volume')} with values from before an outage or of a fallback, because the vault or Entra did not answer (${namesOf(stale)})`,
            commandsOf(stale),
          ),
        ]),
    ...(late.length === 0
      ? []
      : [
          fail(
            'check-late',
            `checked too late: ${countOf(late.length, 'volume')} (${namesOf(late)})`,
            commandsOf(late),
          ),
        ]),
    fine(`${countOf(statuses.length, 'volume')}, checked in time`),
  ]
}

function failureOf(failing: readonly SecretProviderClassPodStatus[]): Observation {
  const [first] = failing
  const message = first?.metadata.annotations?.[statusAnnotations.lastFailure] ?? ''
  const [code = 'rotation-failing'] = codesIn(message)
  const text = `the rotation of ${countOf(failing.length, 'volume')} fails, the old files stay (${namesOf(failing)}): ${failureText(message)}`
  return fail(code, text, commandsOf(failing))
}

function namesOf(statuses: readonly SecretProviderClassPodStatus[]): string {
  const names = statuses.map(({ metadata, status }) => `${metadata.namespace}/${status?.podName}`)
  const rest = names.length > mostNamed ? ` and ${names.length - mostNamed} more` : ''
  return `${names.slice(0, mostNamed).join(', ')}${rest}`
}

function commandsOf(statuses: readonly SecretProviderClassPodStatus[]): string[] {
  return statuses
    .slice(0, mostNamed)
    .map(({ metadata, status }) =>
      commandLine('keymount', 'doctor', `pod/${status?.podName ?? ''}`, '-n', metadata.namespace ?? 'default'),
    )
}
