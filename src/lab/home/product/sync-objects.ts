import type { Container, UntypedObject } from '#kubernetes/client'
import { withFlags } from './container-flags.ts'
import { optionalObjects } from './manifest-objects.ts'
import type { ProductSettings } from './product-objects.ts'

export type SyncSettings = Pick<ProductSettings, 'image' | 'shared' | 'rotationPollInterval' | 'caching'>

/** The manifests of the controller of SecretSyncs, adapted to one cluster. */
export function syncObjects(packageRoot: string, settings: SyncSettings): UntypedObject[] {
  return optionalObjects(packageRoot, 'secret-sync-controller.yaml', (one) => container(one, settings))
}

function container(one: Container, { image, shared, rotationPollInterval, caching }: SyncSettings): Container {
  const flags = new Map<string, string>()
  const isManager = one.name === 'manager'
  if (isManager && rotationPollInterval !== undefined) flags.set('rotation-poll-interval', rotationPollInterval)
  if (!isManager && caching === 'off') {
    flags.set('token-cache-ttl', '0s')
    flags.set('read-share', '0s')
  }
  const adapted = { ...one, ...(image === undefined ? {} : { image }) }
  if (shared?.ports === undefined) return { ...adapted, args: withFlags(one.args ?? [], flags) }
  // Pods that share a network cannot listen on one port twice.
  for (const name of isManager ? ['metrics-bind-address', 'health-probe-bind-address'] : ['prometheus-port']) {
    flags.set(name, '0')
  }
  const { livenessProbe: _, readinessProbe: __, ports: ___, ...withoutPorts } = adapted
  return { ...withoutPorts, args: withFlags(one.args ?? [], flags) }
}
