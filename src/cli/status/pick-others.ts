import type {
  Condition,
  CsiDriver,
  CsiNode,
  DaemonSet,
  KubeEvent,
  KubeObject,
  Node,
  Pod,
  SecretSync,
  UntypedObject,
} from '#kubernetes/client'
import { listOf, recordOf, stringOf } from '#lib/formats'
import { isOfNode } from '../doctor/product-facts.ts'
import { cleanName, cleanText } from './clean-text.ts'
import type { RestartRequest, SyncFacts } from './cluster-objects.ts'
import { eventKinds } from './event-kinds.ts'
import { named } from './pick-mount.ts'
import { statusLimits } from './status-limits.ts'

const most = statusLimits.objects.value

export function pickSync(object: SecretSync): SyncFacts {
  const spec = recordOf(object.spec) ?? {}
  const secretObject = recordOf(spec.secretObject)
  const data = listOf(secretObject?.data) ?? []
  const status = recordOf(object.status)
  const ready = (listOf(status?.conditions) as readonly Condition[] | undefined)?.find(({ type }) => type === 'Ready')
  const { namespace, name } = named(object.metadata)
  return {
    namespace,
    name,
    class: cleanName(spec.secretProviderClassName),
    account: cleanName(spec.serviceAccountName),
    type: cleanName(secretObject?.type) || 'Opaque',
    keys: data.slice(0, most).map((entry) => cleanName(recordOf(entry)?.targetKey)),
    ready: ready === undefined || ready.status === 'Unknown' ? undefined : ready.status === 'True',
    reason: cleanName(ready?.reason),
    message: cleanText(ready?.message),
    since: cleanName(ready?.lastTransitionTime) || null,
    lastWritten: cleanName(status?.lastSuccessfulSyncTime) || null,
    restarts: namesIn(object.metadata.annotations?.['keymount.dev/restart']),
  }
}

function namesIn(text: unknown): string[] {
  const names = cleanText(text).split(',')
  return names.map((name) => name.trim()).filter((name) => name !== '')
}

/** Undefined for a workload that asks for no restart: it is not kept. */
export function pickWorkload({ kind, metadata }: KubeObject): RestartRequest | undefined {
  const asked = stringOf(metadata.annotations?.['keymount.dev/restart-on-rotation'])?.trim()
  if (asked === undefined || asked === '' || asked === 'false') return undefined
  const { namespace, name } = named(metadata)
  return { namespace, workload: `${kind.toLowerCase()}/${name}`, classes: cleanText(asked) }
}

/** What the doctor looks at. */
export function pickNode({ apiVersion, kind, metadata, spec, status }: Node): Node {
  const taints = recordOf(spec)?.taints
  return {
    apiVersion,
    kind,
    metadata: { ...named(metadata), labels: metadata.labels ?? {} },
    ...(taints === undefined ? {} : { spec: { taints } as Node['spec'] & object }),
    status: { conditions: status?.conditions?.filter(({ type }) => type === 'Ready') ?? [] },
  }
}

export function pickCsiNode({ apiVersion, kind, metadata, spec }: CsiNode): CsiNode {
  const drivers = spec.drivers?.map(({ name, nodeID }) => ({ name, nodeID })) ?? []
  return { apiVersion, kind, metadata: named(metadata), spec: { drivers } }
}

export function pickCsiDriver({ apiVersion, kind, metadata, spec }: CsiDriver): CsiDriver {
  const { annotations = {}, labels = {} } = metadata
  return { apiVersion, kind, metadata: { ...named(metadata), annotations, labels }, spec }
}

/** A pod of driver or provider; undefined for one that only has their labels. */
export function pickProductPod(pod: Pod): Pod | undefined {
  if (!isOfNode(pod)) return undefined
  const { apiVersion, kind, metadata, spec, status } = pod
  const { deletionTimestamp } = metadata
  return {
    apiVersion,
    kind,
    metadata: {
      ...named(metadata),
      labels: metadata.labels ?? {},
      ...(deletionTimestamp === undefined ? {} : { deletionTimestamp }),
    },
    spec: {
      containers: spec.containers.map(({ name, image = '', args = [], command = [], ports = [] }) => ({
        ...{ name, image, args, command, ports },
      })),
      ...(spec.nodeName === undefined ? {} : { nodeName: spec.nodeName }),
    },
    status: {
      ...(status?.conditions === undefined ? {} : { conditions: status.conditions }),
      ...(status?.containerStatuses === undefined ? {} : { containerStatuses: status.containerStatuses }),
    },
  }
}

export function pickDaemonSet({ apiVersion, kind, metadata, spec }: DaemonSet): DaemonSet {
  return { apiVersion, kind, metadata: { ...named(metadata), labels: metadata.labels ?? {} }, spec }
}

export function pickDeployment({ apiVersion, kind, metadata, spec, status }: UntypedObject): UntypedObject {
  const replicas = recordOf(spec)?.replicas
  const readyReplicas = recordOf(status)?.readyReplicas
  return { apiVersion, kind, metadata: named(metadata), spec: { replicas }, status: { readyReplicas } }
}

/** Undefined for an event that is not about secrets. */
export function pickEvent(event: KubeEvent): KubeEvent | undefined {
  const { apiVersion, kind, metadata, reason = '', type = 'Normal', involvedObject, count = 1 } = event
  if (!Object.hasOwn(eventKinds, reason)) return undefined
  const { kind: of, namespace, name, uid } = involvedObject
  return {
    apiVersion,
    kind,
    metadata: named(metadata),
    involvedObject: {
      kind: cleanName(of),
      namespace: cleanName(namespace),
      name: cleanName(name),
      uid: cleanName(uid),
    },
    reason,
    type: cleanName(type),
    message: cleanText(event.message),
    count: typeof count === 'number' ? count : 1,
    lastTimestamp: cleanName(event.lastTimestamp ?? event.eventTime ?? metadata.creationTimestamp),
    firstTimestamp: cleanName(event.firstTimestamp ?? event.eventTime ?? metadata.creationTimestamp),
  }
}
