import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseAllDocuments } from 'yaml'
import type { Container, KubeObject, PodSpec, UntypedObject } from '#kubernetes/client'
import { withFlags } from './container-flags.ts'
import type { ProductSettings } from './product-objects.ts'

export type SyncSettings = Pick<ProductSettings, 'image' | 'shared' | 'rotationPollInterval' | 'caching'>

interface Deployment extends KubeObject {
  spec: { template: { spec: PodSpec } }
}

/** The manifests of the controller of SecretSyncs, adapted to one cluster. */
export function syncObjects(packageRoot: string, settings: SyncSettings): UntypedObject[] {
  const text = readFileSync(join(packageRoot, 'deploy/optional/secret-sync-controller.yaml'), 'utf8')
  return parseAllDocuments(text)
    .map((document) => document.toJS() as UntypedObject | null)
    .filter((object) => object !== null)
    .map((object) => (object.kind === 'Deployment' ? deployment(object, settings) : object))
}

function deployment(object: UntypedObject, settings: SyncSettings): UntypedObject {
  const { spec, ...rest } = object as KubeObject as Deployment
  const containers = spec.template.spec.containers.map((one) => container(one, settings))
  const template = { ...spec.template, spec: { ...spec.template.spec, containers } }
  return { ...rest, spec: { ...spec, template } } as KubeObject as UntypedObject
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
  // Pods that share a network cannot listen on one port twice.
  if (!isManager || shared?.ports === undefined) return { ...adapted, args: withFlags(one.args ?? [], flags) }
  flags.set('metrics-bind-address', '0').set('health-probe-bind-address', '0')
  const { livenessProbe: _, readinessProbe: __, ports: ___, ...withoutPorts } = adapted
  return { ...withoutPorts, args: withFlags(one.args ?? [], flags) }
}
