import { valueAt } from '#lib/formats'
import { type ApiObject, mapAt, numberAt, recordsAt, textAt } from '../api-object.ts'
import type { Store } from '../objects/store.ts'

export interface WebhookAddress {
  url: URL
  /** Name in the certificate, when it is not the URL's host. */
  servername: string | undefined
}

/**
 * Where a webhook listens. Services carry no traffic here: one only leads us to a ready pod of its selector, which is a
 * process with the machine's network, and so to a port on loopback. Throws when there is none.
 */
export function webhookAddress(store: Store, clientConfig: unknown): WebhookAddress {
  const url = textAt(clientConfig, 'url')
  if (url !== '') return { url: new URL(url), servername: undefined }
  const reference = valueAt(clientConfig, 'service')
  const [name, namespace] = [textAt(reference, 'name'), textAt(reference, 'namespace')]
  const servername = `${name}.${namespace}.svc`
  const service = store.get('services', namespace, name)
  const post = `Post "https://${servername}:${numberAt(reference, 'port')}${textAt(reference, 'path')}"`
  if (service === undefined) throw new Error(`${post}: service "${name}" not found`)
  const pod = store.list('pods', namespace).find((each) => isEndpoint(each, mapAt(service, 'spec', 'selector')))
  if (pod === undefined) throw new Error(`${post}: no endpoints available for service "${name}"`)
  const port = podPort(pod, targetPort(service, numberAt(reference, 'port')))
  if (port === undefined)
    throw new Error(`${post}: no service port ${numberAt(reference, 'port')} found for service "${name}"`)
  return { url: new URL(textAt(reference, 'path') || '/', `https://127.0.0.1:${port}`), servername }
}

function isEndpoint(pod: ApiObject, selector: Record<string, string>): boolean {
  const labels = pod.metadata.labels ?? {}
  const wanted = Object.entries(selector)
  const selected = wanted.length > 0 && wanted.every(([key, value]) => labels[key] === value)
  const ready = recordsAt(pod, 'status', 'conditions').some(({ type, status }) => type === 'Ready' && status === 'True')
  return selected && ready && pod.metadata.deletionTimestamp === undefined
}

/** A number, or the name of a container's port; undefined when the service has no such port. */
function targetPort(service: ApiObject, port: number): number | string | undefined {
  const found = recordsAt(service, 'spec', 'ports').find((each) => each.port === port)
  const target = found?.targetPort ?? found?.port
  return typeof target === 'number' || typeof target === 'string' ? target : undefined
}

function podPort(pod: ApiObject, target: number | string | undefined): number | undefined {
  if (typeof target !== 'string') return target
  const ports = recordsAt(pod, 'spec', 'containers').flatMap((container) => recordsAt(container, 'ports'))
  const found = ports.find(({ name }) => name === target)
  return found === undefined ? undefined : numberAt(found, 'containerPort')
}
