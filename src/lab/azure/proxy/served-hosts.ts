import { type Cloud, sovereignClouds } from './clouds.ts'
import type { Route } from './connect-proxy.ts'
import type { MachineProxy } from './machine-proxy.ts'

export type ServiceName = 'entra' | 'arm' | 'graph' | 'keyvault' | 'queue' | 'eventgrid'

/** The service of a host name (lower case, no port); undefined when no service has it. */
export function serviceOfHost(cloud: Cloud, host: string): ServiceName | undefined {
  if (host === cloud.login) return 'entra'
  if (host === cloud.resourceManager) return 'arm'
  if (host === cloud.graph) return 'graph'
  if (vaultOfHost(cloud, host) !== undefined) return 'keyvault'
  if (queueAccountOfHost(cloud, host) !== undefined) return 'queue'
  return isNamespaceHost(cloud, host) ? 'eventgrid' : undefined
}

/** `shop` of `shop.vault.azure.net`, or undefined when the host is not a vault's. */
export function vaultOfHost(cloud: Cloud, host: string): string | undefined {
  return labelBefore(host, cloud.vaultSuffix)
}

/** `shop` of `shop.queue.core.windows.net`, or undefined when the host is not one of queues. */
export function queueAccountOfHost(cloud: Cloud, host: string): string | undefined {
  return labelBefore(host, `queue.${cloud.storageSuffix}`)
}

/** True for hosts of Event Grid namespaces: `shop.westeurope-1.eventgrid.azure.net`. */
function isNamespaceHost({ eventGridSuffix }: Cloud, host: string): boolean {
  return host.endsWith(`.${eventGridSuffix}`) && /^[a-z0-9-]{1,63}\.[a-z0-9]{1,63}-\d{1,3}\./.test(host)
}

function labelBefore(host: string, suffix: string): string | undefined {
  if (!host.endsWith(`.${suffix}`)) return undefined
  const name = host.slice(0, -suffix.length - 1)
  return /^[a-z0-9-]{1,63}$/.test(name) ? name : undefined
}

/** What becomes of hosts that the local Azure does not serve. Undefined: it is offline, and refuses them. */
export type Forwarding = { proxyFor: MachineProxy } | undefined

/** What happens to tunnels to a host that is neither the cloud's nor one of `others`. */
export function routeOfOther(cloud: Cloud, host: string, others: readonly string[], forwarding: Forwarding): Route {
  const sovereign = sovereignClouds.find((other) => serviceOfHost(other, host) !== undefined)
  if (sovereign === undefined && forwarding !== undefined) {
    return { kind: 'forwarded', proxy: forwarding.proxyFor(host) }
  }
  // Never forwarded: clients with credentials of the lab would send them to a real cloud.
  const reason =
    sovereign === undefined
      ? 'it is not a host of Azure that the lab emulates'
      : `the lab does not emulate ${sovereign.name}`
  const data = [`*.${cloud.vaultSuffix}`, `*.queue.${cloud.storageSuffix}`, `*.${cloud.eventGridSuffix}`]
  const served = [cloud.login, cloud.resourceManager, cloud.graph, ...data, ...others].join(', ')
  const offline = forwarding === undefined ? ', and forwards nothing, because it runs with --offline' : ''
  return {
    kind: 'refused',
    reason: `The local Azure does not serve ${host}: ${reason}. It serves ${served}${offline}.\n`,
  }
}
