import { type ApiObject, numberAt, recordsAt } from '../api-object.ts'

/** Whether the selector of a Service selects a pod of its namespace. One without a selector selects none. */
export function selects(selector: Readonly<Record<string, string>>, pod: ApiObject): boolean {
  const labels = pod.metadata.labels ?? {}
  const wanted = Object.entries(selector)
  return wanted.length > 0 && wanted.every(([key, value]) => labels[key] === value)
}

/** Whether a selected pod gets connections of its Service: it is ready, and not about to end. */
export function isEndpoint(pod: ApiObject, { evenUnready = false }: { evenUnready?: boolean } = {}): boolean {
  const ready = recordsAt(pod, 'status', 'conditions').some(({ type, status }) => type === 'Ready' && status === 'True')
  return (ready || evenUnready) && pod.metadata.deletionTimestamp === undefined
}

/** The number of a pod's port; undefined when the pod has no port of that name. @param target a number, or the name of a container's port */
export function podPort(pod: ApiObject, target: unknown): number | undefined {
  if (typeof target !== 'string') return typeof target === 'number' ? target : undefined
  const ports = recordsAt(pod, 'spec', 'containers').flatMap((container) => recordsAt(container, 'ports'))
  const found = ports.find(({ name }) => name === target)
  return found === undefined ? undefined : numberAt(found, 'containerPort')
}
