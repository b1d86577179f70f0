import { networkAddresses, type Routes } from '#lab/router'
import { type ApiObject, mapAt, recordsAt, textAt } from '../api-server/api-object.ts'
import { isEndpoint, podPort, selects } from '../api-server/objects/service-endpoints.ts'

type ServiceRoutes = { services: Record<string, string[]>; names: Record<string, string[]> }

/** Where connections to Services go, and the addresses of their names. @param pods the pods of all namespaces */
export function serviceRoutes(
  services: readonly ApiObject[],
  pods: readonly ApiObject[],
): Pick<Routes, 'services' | 'names'> {
  const routes: ServiceRoutes = { services: {}, names: {} }
  for (const service of services) addService(routes, service, pods)
  return routes
}

function addService(routes: ServiceRoutes, service: ApiObject, pods: readonly ApiObject[]): void {
  const { name, namespace } = service.metadata
  const address = textAt(service, 'spec', 'clusterIP')
  const selector = mapAt(service, 'spec', 'selector')
  const evenUnready =
    service.spec !== undefined && (service.spec as Record<string, unknown>).publishNotReadyAddresses === true
  const selected = pods.filter((pod) => pod.metadata.namespace === namespace && selects(selector, pod))
  const behind = selected.filter((pod) => isEndpoint(pod, { evenUnready }))
  const isHeadless = address === 'None' || address === ''
  const addresses = isHeadless ? behind.map((pod) => textAt(pod, 'status', 'podIP')).filter(Boolean) : [address]
  if (addresses.length > 0) routes.names[`${name}.${namespace}.svc.cluster.local`] = addresses
  // The router itself leads to the API server.
  if (isHeadless || address === networkAddresses.apiServer) return
  for (const port of recordsAt(service, 'spec', 'ports')) {
    if (port.protocol === 'UDP' || port.protocol === 'SCTP') continue
    routes.services[`${address}:${port.port}`] = behind.flatMap((pod) => {
      const number = podPort(pod, port.targetPort ?? port.port)
      return number === undefined ? [] : [`${textAt(pod, 'status', 'podIP')}:${number}`]
    })
  }
}
