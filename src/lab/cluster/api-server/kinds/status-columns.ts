import { valueAt } from '#lib/formats'
import { type ApiObject, numberAt, recordsAt, textAt } from '../api-object.ts'
import { ageOf } from './human-duration.ts'

/** Cells that a real API server computes from several fields. */

export function readyContainers(pod: ApiObject): string {
  const ready = recordsAt(pod, 'status', 'containerStatuses').filter((status) => status.ready === true)
  return `${ready.length}/${recordsAt(pod, 'spec', 'containers').length}`
}

/** One word for the state of a pod: the most specific reason that there is. */
export function podStatus(pod: ApiObject): string {
  if (pod.metadata.deletionTimestamp !== undefined) return 'Terminating'
  const phase = textAt(pod, 'status', 'reason') || textAt(pod, 'status', 'phase')
  return initStatus(pod) ?? containersStatus(pod) ?? phase
}

function initStatus(pod: ApiObject): string | undefined {
  const statuses = recordsAt(pod, 'status', 'initContainerStatuses')
  const index = statuses.findIndex((status) => valueAt(status, 'state', 'terminated', 'exitCode') !== 0)
  if (index < 0) return undefined
  const reason = stateReason(statuses[index])
  if (reason !== undefined && reason !== 'PodInitializing') return `Init:${reason}`
  return `Init:${index}/${recordsAt(pod, 'spec', 'initContainers').length}`
}

function containersStatus(pod: ApiObject): string | undefined {
  const statuses = recordsAt(pod, 'status', 'containerStatuses')
  const reason = statuses.map(stateReason).find((found) => found !== undefined)
  // A pod with one finished and one running container is still running.
  const running = statuses.some((status) => status.ready === true && valueAt(status, 'state', 'running') !== undefined)
  return reason === 'Completed' && running ? 'Running' : reason
}

function stateReason(status: unknown): string | undefined {
  const waiting = textAt(status, 'state', 'waiting', 'reason')
  if (waiting !== '') return waiting
  const terminated = valueAt(status, 'state', 'terminated')
  if (terminated === undefined) return undefined
  const signal = numberAt(terminated, 'signal')
  return (
    textAt(terminated, 'reason') || (signal === 0 ? `ExitCode:${numberAt(terminated, 'exitCode')}` : `Signal:${signal}`)
  )
}

export function restarts(pod: ApiObject, now: number): string {
  const statuses = recordsAt(pod, 'status', 'containerStatuses')
  const total = statuses.reduce((sum, status) => sum + numberAt(status, 'restartCount'), 0)
  const last = statuses
    .map((status) => textAt(status, 'lastState', 'terminated', 'finishedAt'))
    .toSorted()
    .at(-1)
  return total === 0 || last === undefined || last === '' ? String(total) : `${total} (${ageOf(last, now)} ago)`
}

export function nodeStatus(node: ApiObject): string {
  const ready = recordsAt(node, 'status', 'conditions').find(({ type }) => type === 'Ready')
  const word = ready === undefined ? 'Unknown' : ready.status === 'True' ? 'Ready' : 'NotReady'
  return valueAt(node, 'spec', 'unschedulable') === true ? `${word},SchedulingDisabled` : word
}

export function nodeRoles({ metadata }: ApiObject): string {
  const prefix = 'node-role.kubernetes.io/'
  const roles = Object.keys(metadata.labels ?? {}).filter((label) => label.startsWith(prefix))
  return roles.map((label) => label.slice(prefix.length)).join(',') || '<none>'
}

export function nodeAddress(node: ApiObject, type: string): string {
  const found = recordsAt(node, 'status', 'addresses').find((address) => address.type === type)
  return textAt(found, 'address') || '<none>'
}

export function lastSeen(event: ApiObject): unknown {
  return valueAt(event, 'series', 'lastObservedTime') ?? event.lastTimestamp ?? event.eventTime ?? event.firstTimestamp
}

export function servicePorts(service: ApiObject): string {
  const ports = recordsAt(service, 'spec', 'ports').map(({ port, protocol }) => `${port}/${protocol}`)
  return ports.join(',') || '<none>'
}
