import { createHash } from 'node:crypto'
import { type ApiObject, isRecord, numberAt, recordsAt, textAt, timestamp, valueAt } from '../api-server/api-object.ts'
import type { ApiContext } from '../api-server/http/api-call.ts'
import type { Controller } from './controller.ts'
import { recordEvent } from './record-event.ts'
import { fits } from './scheduler.ts'

const daemonSetsKey = 'daemonsets.apps'
const deploymentsKey = 'deployments.apps'
const replicaSetsKey = 'replicasets.apps'

/** Keeps one pod per node; a pod of an older template is replaced at once (there are no rollout strategies here). */
export const daemonSets: Controller = {
  name: 'daemonset-controller',
  watches: [daemonSetsKey, 'pods', 'nodes'],
  reconcile(context) {
    const { store } = context
    for (const set of living(context, daemonSetsKey)) {
      const template = valueAt(set, 'spec', 'template')
      const hash = hashOf(template)
      const nodes = store.list('nodes').filter((node) => fits(valueAt(template, 'spec'), node)).length
      const label = 'controller-revision-hash'
      const pods = dependents(context, 'pods', set).filter(isRunning)
      const current = pods.filter(({ metadata }) => metadata.labels?.[label] === hash)
      for (const pod of [...pods.filter((one) => !current.includes(one)), ...current.slice(nodes)]) {
        deletePod(context, set, pod, 'daemonset-controller')
      }
      for (let missing = nodes - pods.length; missing > 0; missing--) {
        createPod(context, set, { [label]: hash, 'pod-template-generation': String(set.metadata.generation ?? 1) })
      }
      const ready = pods.filter(isReady).length
      writeStatus(context, daemonSetsKey, set, {
        currentNumberScheduled: Math.min(pods.length, nodes),
        desiredNumberScheduled: nodes,
        numberAvailable: ready,
        numberMisscheduled: 0,
        numberReady: ready,
        ...(nodes > ready ? { numberUnavailable: nodes - ready } : {}),
        updatedNumberScheduled: current.length,
      })
    }
  },
}

/** Keeps as many pods as `replicas` says. */
export const replicaSets: Controller = {
  name: 'replicaset-controller',
  watches: [replicaSetsKey, 'pods'],
  reconcile(context) {
    for (const set of living(context, replicaSetsKey)) {
      const wanted = numberAt(set, 'spec', 'replicas')
      // Those that are ready stay when there are too many.
      const pods = dependents(context, 'pods', set)
        .filter(isRunning)
        .toSorted((a, b) => Number(isReady(b)) - Number(isReady(a)))
      for (const pod of pods.slice(wanted)) deletePod(context, set, pod, 'replicaset-controller')
      for (let missing = wanted - pods.length; missing > 0; missing--) createPod(context, set, {})
      const ready = pods.filter(isReady).length
      writeStatus(context, replicaSetsKey, set, {
        replicas: pods.length,
        fullyLabeledReplicas: pods.length,
        ...(ready === 0 ? {} : { readyReplicas: ready, availableReplicas: ready }),
      })
    }
  },
}

/** Keeps one replica set per template: the newest at full size, older ones empty. */
export const deployments: Controller = {
  name: 'deployment-controller',
  watches: [deploymentsKey, replicaSetsKey],
  reconcile(context) {
    for (const deployment of living(context, deploymentsKey)) {
      const replicas = numberAt(deployment, 'spec', 'replicas')
      const hash = hashOf(valueAt(deployment, 'spec', 'template'))
      const sets = dependents(context, replicaSetsKey, deployment)
      const isCurrent = ({ metadata }: ApiObject) => metadata.labels?.['pod-template-hash'] === hash
      for (const set of sets) scale(context, set, isCurrent(set) ? replicas : 0)
      if (!sets.some(isCurrent)) createReplicaSet(context, deployment, hash, sets.length + 1)
      const current = sets.find(isCurrent)
      const ready = numberAt(current, 'status', 'readyReplicas')
      writeStatus(context, deploymentsKey, deployment, {
        replicas: sets.reduce((sum, set) => sum + numberAt(set, 'status', 'replicas'), 0),
        updatedReplicas: numberAt(current, 'status', 'replicas'),
        ...(ready === 0 ? {} : { readyReplicas: ready, availableReplicas: ready }),
        ...(ready < replicas ? { unavailableReplicas: replicas - ready } : {}),
        conditions: deploymentConditions(context, deployment, ready >= replicas),
      })
    }
  },
}

const living = ({ store }: ApiContext, resource: string) =>
  store.list(resource).filter(({ metadata }) => metadata.deletionTimestamp === undefined)

function dependents({ store }: ApiContext, resource: string, owner: ApiObject): ApiObject[] {
  return store
    .list(resource, owner.metadata.namespace)
    .filter(({ metadata }) => metadata.ownerReferences?.some(({ uid }) => uid === owner.metadata.uid) ?? false)
}

/** Pods on their way out or at their end are replaced. */
function isRunning(pod: ApiObject): boolean {
  const phase = textAt(pod, 'status', 'phase')
  return pod.metadata.deletionTimestamp === undefined && phase !== 'Succeeded' && phase !== 'Failed'
}

function isReady(pod: ApiObject): boolean {
  return recordsAt(pod, 'status', 'conditions').some(({ type, status }) => type === 'Ready' && status === 'True')
}

function hashOf(template: unknown): string {
  return createHash('sha256').update(JSON.stringify(template)).digest('hex').slice(0, 10)
}

function ownerReference({ apiVersion, kind, metadata: { name, uid = '' } }: ApiObject) {
  return { apiVersion, kind, name, uid, controller: true, blockOwnerDeletion: true }
}

function createPod(context: ApiContext, owner: ApiObject, labels: Record<string, string>): void {
  const { objects, catalog } = context
  const template = valueAt(owner, 'spec', 'template')
  const { namespace, name } = owner.metadata
  const component = `${owner.kind.toLowerCase()}-controller`
  const metadata = isRecord(template) && isRecord(template['metadata']) ? template['metadata'] : {}
  const body = {
    metadata: {
      ...(isRecord(metadata['annotations']) ? { annotations: metadata['annotations'] } : {}),
      labels: { ...(isRecord(metadata['labels']) ? metadata['labels'] : {}), ...labels },
      generateName: `${name}-`,
      ownerReferences: [ownerReference(owner)],
    },
    spec: structuredClone(valueAt(template, 'spec')),
  }
  const pod = objects.create(catalog.row('pods'), namespace, body, { manager: component })
  recordEvent(context, owner, { component, reason: 'SuccessfulCreate', message: `Created pod: ${pod.metadata.name}` })
}

function deletePod(context: ApiContext, owner: ApiObject, pod: ApiObject, component: string): void {
  const { objects, catalog } = context
  objects.delete(catalog.row('pods'), pod.metadata, {})
  recordEvent(context, owner, { component, reason: 'SuccessfulDelete', message: `Deleted pod: ${pod.metadata.name}` })
}

function createReplicaSet(context: ApiContext, deployment: ApiObject, hash: string, revision: number): void {
  const { objects, catalog } = context
  const { namespace, name } = deployment.metadata
  const spec = structuredClone(deployment['spec']) as Record<string, Record<string, unknown>>
  const label = { 'pod-template-hash': hash }
  const template = spec['template'] as { metadata?: { labels?: object } }
  const labels = { ...template.metadata?.labels, ...label }
  const matchLabels = {
    ...(isRecord(spec['selector']?.['matchLabels']) ? spec['selector']['matchLabels'] : {}),
    ...label,
  }
  const body = {
    metadata: {
      name: `${name}-${hash}`,
      labels,
      annotations: { 'deployment.kubernetes.io/revision': String(revision) },
      ownerReferences: [ownerReference(deployment)],
    },
    spec: {
      replicas: spec['replicas'],
      selector: { ...spec['selector'], matchLabels },
      template: { ...template, metadata: { ...template.metadata, labels } },
    },
  }
  const component = 'deployment-controller'
  objects.create(catalog.row(replicaSetsKey), namespace, body, { manager: component })
  const message = `Scaled up replica set ${name}-${hash} from 0 to ${spec['replicas']}`
  recordEvent(context, deployment, { component, reason: 'ScalingReplicaSet', message })
}

function scale({ objects, catalog }: ApiContext, set: ApiObject, replicas: number): void {
  if (numberAt(set, 'spec', 'replicas') === replicas) return
  const scaled = (draft: ApiObject) => ({ ...draft, spec: { ...(draft['spec'] as object), replicas } })
  objects.update(catalog.row(replicaSetsKey), set.metadata, scaled, { manager: 'deployment-controller' })
}

function deploymentConditions({ clock }: ApiContext, deployment: ApiObject, available: boolean) {
  const status = available ? 'True' : 'False'
  const before = recordsAt(deployment, 'status', 'conditions').find(({ type }) => type === 'Available')
  const now = timestamp(clock.now())
  return [
    {
      type: 'Available',
      status,
      lastTransitionTime: before?.['status'] === status ? before['lastTransitionTime'] : now,
      lastUpdateTime: before?.['status'] === status ? before['lastUpdateTime'] : now,
      reason: available ? 'MinimumReplicasAvailable' : 'MinimumReplicasUnavailable',
      message: `Deployment ${available ? 'has' : 'does not have'} minimum availability.`,
    },
  ]
}

function writeStatus({ objects, catalog }: ApiContext, resource: string, object: ApiObject, status: object): void {
  const observedGeneration = object.metadata.generation ?? 1
  const written = (draft: ApiObject) => ({ ...draft, status: { ...status, observedGeneration } })
  objects.update(catalog.row(resource), object.metadata, written, {
    manager: 'kube-controller-manager',
    subresource: 'status',
  })
}
