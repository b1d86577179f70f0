import type { Container, UntypedObject } from '#kubernetes/client'
import type { LabCluster } from '../clusters/lab-cluster.ts'
import { freePorts } from '../processes/ports.ts'
import { withFlags } from './container-flags.ts'
import { optionalObjects } from './manifest-objects.ts'

/** Where the events of the lab's vaults come to, and who receives them. */
export interface OperatorSettings {
  queue: string
  clientId: string
  tenantId: string
}

/** The manifests of the operator with its part `events`, adapted to one cluster. */
export async function operatorObjects(
  packageRoot: string,
  { image, shared }: Pick<LabCluster, 'image' | 'shared'>,
  settings: OperatorSettings,
): Promise<UntypedObject[]> {
  // Pods that share a network need ports of their own.
  const port = shared?.ports === undefined ? undefined : (await freePorts(1))[0]
  return optionalObjects(packageRoot, 'operator-events.yaml', (one) => container(one, settings, { image, port }))
}

function container(
  one: Container,
  { queue, clientId, tenantId }: OperatorSettings,
  { image, port }: { image: string | undefined; port: number | undefined },
): Container {
  const flags = new Map([['events-queue', queue]])
  const values: Record<string, string> = { AZURE_CLIENT_ID: clientId, AZURE_TENANT_ID: tenantId }
  const env = one.env?.map((variable) => {
    const value = values[variable.name]
    return value === undefined ? variable : { name: variable.name, value }
  })
  const adapted: Container = {
    ...one,
    ...(image === undefined ? {} : { image }),
    ...(env === undefined ? {} : { env }),
  }
  if (port === undefined) return { ...adapted, args: withFlags(one.args ?? [], flags) }
  flags.set('metrics-bind-address', `127.0.0.1:${port}`).set('health-probe-bind-address', '0')
  const { livenessProbe: _, readinessProbe: __, ports: ___, ...withoutPorts } = adapted
  return { ...withoutPorts, args: withFlags(one.args ?? [], flags) }
}
