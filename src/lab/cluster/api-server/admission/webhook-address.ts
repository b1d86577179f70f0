import { valueAt } from '#lib/formats'
import { type ApiObject, mapAt, numberAt, recordsAt, textAt } from '../api-object.ts'
import { isEndpoint, podPort, selects } from '../objects/service-endpoints.ts'
import type { Store } from '../objects/store.ts'

export interface WebhookAddress {
  url: URL
  /** Name in the certificate, when it is not the URL's host. */
  servername: string | undefined
  /** Whether the URL is that of a pod, which may have a network of its own. */
  inPod: boolean
}

/** Where a webhook listens: a Service leads to a port of a ready pod of its selector. Throws when there is none. */
export function webhookAddress(store: Store, clientConfig: unknown): WebhookAddress {
  const fixed = textAt(clientConfig, 'url')
  if (fixed !== '') return { url: new URL(fixed), servername: undefined, inPod: false }
  const reference = valueAt(clientConfig, 'service')
  const [name, namespace] = [textAt(reference, 'name'), textAt(reference, 'namespace')]
  const servername = `${name}.${namespace}.svc`
  const service = store.get('services', namespace, name)
  const post = `Post "https://${servername}:${numberAt(reference, 'port')}${textAt(reference, 'path')}"`
  if (service === undefined) throw new Error(`${post}: service "${name}" not found`)
  const selector = mapAt(service, 'spec', 'selector')
  const pod = store.list('pods', namespace).find((each) => selects(selector, each) && isEndpoint(each))
  if (pod === undefined) throw new Error(`${post}: no endpoints available for service "${name}"`)
  const port = podPort(pod, targetPort(service, numberAt(reference, 'port')))
  if (port === undefined)
    throw new Error(`${post}: no service port ${numberAt(reference, 'port')} found for service "${name}"`)
  const url = new URL(
    textAt(reference, 'path') || '/',
    `https://${textAt(pod, 'status', 'podIP') || '127.0.0.1'}:${port}`,
  )
  return { url, servername, inPod: true }
}

/** A number, or the name of a container's port; undefined when the service has no such port. */
function targetPort(service: ApiObject, port: number): unknown {
  const found = recordsAt(service, 'spec', 'ports').find((each) => each.port === port)
  return found?.targetPort ?? found?.port
}
