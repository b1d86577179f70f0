import {
  type ClassChange,
  classAnnotations,
  parseClassChange,
  type SecretProviderClass,
  statusAnnotations,
} from '#kubernetes/client'
import { commandLine } from '#terminal'
import type { PodFacts } from '../pod-facts.ts'
import { timeOf } from '../reports.ts'
import { fine, notKnown, type Observation, warn } from '../step.ts'

/** Between an event and the record of the check that follows it. */
const graceMs = 60_000

/** E1: whether the volumes were checked after the last change that the operator has passed on. */
export function judgeEvents(facts: PodFacts): Observation[] {
  return [...judgeSource(facts), ...judgeChanges(facts)]
}

/** Whether the operator receives events, by the last of its own about that. */
function judgeSource({ operatorEvents }: PodFacts): Observation[] {
  if ('why' in operatorEvents) return [notKnown(operatorEvents.why)]
  const ofSource = operatorEvents.value.filter(({ reason = '' }) =>
    ['EventsUnavailable', 'EventsReceived'].includes(reason),
  )
  const last = ofSource.toSorted((a, b) => timeOf(a).localeCompare(timeOf(b))).at(-1)
  if (last?.reason !== 'EventsUnavailable') return []
  return [warn('events-unavailable', `${last.message ?? ''} (${timeOf(last)})`, ['keymount events status'])]
}

function judgeChanges({ cluster: { classes }, statuses, nowMs }: PodFacts): Observation[] {
  if ('why' in statuses) return [notKnown(statuses.why)]
  const changes = classes.flatMap(({ className, class: found }) => {
    const change = 'value' in found && found.value !== undefined ? changeOf(found.value) : undefined
    return change === undefined ? [] : [{ className, namespace: namespaceOf(found), ...change }]
  })
  if (changes.length === 0)
    return [fine('no change was passed on to these classes (events.enabled of the chart); they are polled')]
  return changes.map(({ className, namespace, at, signInSpreadSeconds }) => {
    const status = statuses.value.find((one) => one.status?.secretProviderClassName === className)
    const checked = Date.parse(status?.metadata.annotations?.[statusAnnotations.lastCheck] ?? '')
    const time = new Date(at).toISOString()
    if (checked >= at) return fine(`class ${className}: checked after the change of ${time}`)
    if (nowMs - at < signInSpreadSeconds * 1000 + graceMs)
      return fine(`class ${className}: a change of ${time} is being applied`)
    return warn('change-not-applied', `class ${className}: no check is recorded after the change of ${time}`, [
      commandLine('keymount', 'rotate', className, '-n', namespace),
    ])
  })
}

function namespaceOf(found: { value: SecretProviderClass | undefined } | { why: string }): string {
  return 'value' in found ? (found.value?.metadata.namespace ?? 'default') : 'default'
}

function changeOf({ metadata }: SecretProviderClass): ClassChange | undefined {
  const text = metadata.annotations?.[classAnnotations.changed]
  return text === undefined ? undefined : parseClassChange(text)
}
