import { errorMessage } from '#lib'
import { valueAt } from '#lib/formats'
import type { ContainerTarget, NodeRuntime } from '../../node-runtime.ts'
import { ApiError, badRequest } from '../api-error.ts'
import { type ApiObject, isRecord, recordsAt, textAt } from '../api-object.ts'
import type { ApiCall } from './api-call.ts'

/** A request about a pod whose answer may be a stream. */
export type PodCall = Omit<ApiCall, 'response'>

/** What the node agent throws is written for the user of the request. */
export const runtimeError = (error: unknown) => (error instanceof ApiError ? error : badRequest(errorMessage(error)))

/** The agent of the pod's node. Throws when there is none. */
export function runtimeOf({ context }: PodCall, pod: ApiObject): NodeRuntime {
  const runtime = context.runtime()
  const node = textAt(pod, 'spec', 'nodeName')
  if (node === '') throw badRequest(`pod ${pod.metadata.name} does not have a host assigned`)
  if (runtime === undefined) throw new ApiError(503, 'ServiceUnavailable', `the agent of node ${node} is not running`)
  return runtime
}

/** The container that a request names, else the pod's first. Throws when the pod does not have it. */
export function targetOf({ context, row, info, url }: PodCall): { pod: ApiObject; target: ContainerTarget } {
  const { namespace = '', name = '' } = info
  const pod = context.objects.get(row, { namespace, name })
  const all = [...recordsAt(pod, 'spec', 'initContainers'), ...recordsAt(pod, 'spec', 'containers')]
  const names = all.map((container) => textAt(container, 'name'))
  const first = textAt(recordsAt(pod, 'spec', 'containers')[0], 'name')
  const container = url.searchParams.get('container') || first
  if (!names.includes(container)) throw badRequest(`container ${container} is not valid for pod ${name}`)
  return { pod, target: { namespace, pod: name, container } }
}

/** Throws when the container has not begun to run. */
export function refuseWaiting(pod: ApiObject, target: ContainerTarget): void {
  const status = statusOf(pod, target)
  const reason = textAt(status, 'state', 'waiting', 'reason')
  if ((status !== undefined && reason === '') || reason === 'CrashLoopBackOff') return
  const why = reason === '' ? 'ContainerCreating' : reason
  throw badRequest(`container "${target.container}" in pod "${pod.metadata.name}" is waiting to start: ${why}`)
}

/** Throws when the container is not running. */
export function refuseStopped(pod: ApiObject, target: ContainerTarget): void {
  refuseWaiting(pod, target)
  if (!isRecord(valueAt(statusOf(pod, target), 'state', 'running'))) {
    throw badRequest(`container ${target.container} of pod ${pod.metadata.name} is not running`)
  }
}

function statusOf(pod: ApiObject, { container }: ContainerTarget): Record<string, unknown> | undefined {
  const all = [...recordsAt(pod, 'status', 'containerStatuses'), ...recordsAt(pod, 'status', 'initContainerStatuses')]
  return all.find(({ name }) => name === container)
}
