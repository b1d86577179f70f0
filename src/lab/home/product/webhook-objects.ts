import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseAllDocuments } from 'yaml'
import type { Container, KubeObject, PodSpec, UntypedObject } from '#kubernetes/client'
import { withFlags } from './container-flags.ts'
import type { ProductSettings } from './product-objects.ts'

export interface WebhookSettings extends Pick<ProductSettings, 'image' | 'shared'> {
  /** Tenant of service accounts that do not name one. */
  tenantId: string
}

/** Users of `kubectl apply` replace it with envsubst. */
const tenantPlaceholder = '$AZURE_TENANT_ID'

interface Deployment extends KubeObject {
  spec: { replicas: number; template: { spec: PodSpec } }
}

/** The manifests of the workload identity webhook, adapted to one cluster. */
export function webhookObjects(packageRoot: string, settings: WebhookSettings): UntypedObject[] {
  const text = readFileSync(join(packageRoot, 'deploy/optional/workload-identity.yaml'), 'utf8')
  return parseAllDocuments(text.replaceAll(tenantPlaceholder, settings.tenantId))
    .map((document) => document.toJS() as UntypedObject | null)
    .filter((object) => object !== null)
    .map((object) => (object.kind === 'Deployment' ? deployment(object, settings) : object))
}

function deployment(object: UntypedObject, { image, shared }: WebhookSettings): UntypedObject {
  const { spec, ...rest } = object as KubeObject as Deployment
  const containers = spec.template.spec.containers.map((container) => ({
    ...container,
    ...(image && withImage(container, image)),
    ...(shared?.ports && onSharedMachine(container, shared.ports)),
  }))
  const template = { ...spec.template, spec: { ...spec.template.spec, containers } }
  // Pods that share a network cannot listen on one port twice.
  const replicas = shared?.ports === undefined ? spec.replicas : 1
  return { ...rest, spec: { ...spec, replicas, template } } as KubeObject as UntypedObject
}

/** The sidecar that the webhook adds to pods has the same image. */
function withImage({ image: before, env = [] }: Container, image: string): Pick<Container, 'image' | 'env'> {
  return { image, env: env.map((variable) => (variable.value === before ? { ...variable, value: image } : variable)) }
}

function onSharedMachine(
  { args = [], ports = [] }: Container,
  { webhook, webhookHealth }: { webhook: number; webhookHealth: number },
): Pick<Container, 'args' | 'ports'> {
  const numbers: Record<string, number> = { 'webhook-server': webhook, healthz: webhookHealth }
  return {
    args: withFlags(
      args,
      new Map([
        ['webhook-addr', `127.0.0.1:${webhook}`],
        ['health-addr', `127.0.0.1:${webhookHealth}`],
        ['metrics-addr', '0'],
      ]),
    ),
    ports: ports.flatMap((port) => {
      const containerPort = numbers[port.name ?? '']
      return containerPort === undefined ? [] : [{ ...port, containerPort }]
    }),
  }
}
