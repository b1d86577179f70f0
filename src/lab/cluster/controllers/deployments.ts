import { timestamp } from '#lib'
import { valueAt } from '#lib/formats'
import { type ApiObject, isRecord, mapAt, numberAt, recordsAt } from '../api-server/api-object.ts'
import { type ControllerContext, controllerOf } from './controller.ts'
import { dependents, hashOf, ownerReference, writeStatus } from './owned-objects.ts'
import { recordEvent } from './record-event.ts'

const resource = 'deployments.apps'
const replicaSetsKey = 'replicasets.apps'
const hashLabel = 'pod-template-hash'
const component = 'deployment-controller'

/** Keeps one replica set per template: the current one at full size, older ones empty. */
export const deployments = controllerOf(resource, {
  name: 'deployments',
  watches: [replicaSetsKey],
  sync(context, deployment) {
    const replicas = numberAt(deployment, 'spec', 'replicas')
    const hash = hashOf(valueAt(deployment, 'spec', 'template'))
    const sets = dependents(context, replicaSetsKey, deployment)
    const isCurrent = ({ metadata }: ApiObject) => metadata.labels?.[hashLabel] === hash
    for (const set of sets) scale(context, set, isCurrent(set) ? replicas : 0)
    if (!sets.some(isCurrent)) createReplicaSet(context, deployment, { hash, revision: sets.length + 1 })
    const current = sets.find(isCurrent)
    const ready = numberAt(current, 'status', 'readyReplicas')
    writeStatus(context, resource, deployment, {
      replicas: sets.reduce((sum, set) => sum + numberAt(set, 'status', 'replicas'), 0),
      updatedReplicas: numberAt(current, 'status', 'replicas'),
      ...(ready === 0 ? {} : { readyReplicas: ready, availableReplicas: ready }),
      ...(ready < replicas ? { unavailableReplicas: replicas - ready } : {}),
      conditions: [availableCondition(context, deployment, ready >= replicas)],
    })
  },
})

function createReplicaSet(
  context: ControllerContext,
  deployment: ApiObject,
  { hash, revision }: { hash: string; revision: number },
): void {
  const { objects, catalog } = context
  const { namespace, name } = deployment.metadata
  const spec = structuredClone(isRecord(deployment.spec) ? deployment.spec : {})
  const template = valueAt(spec, 'template')
  const labels = { ...mapAt(template, 'metadata', 'labels'), [hashLabel]: hash }
  const annotations = mapAt(template, 'metadata', 'annotations')
  const body = {
    metadata: {
      name: `${name}-${hash}`,
      labels,
      annotations: { 'deployment.kubernetes.io/revision': String(revision) },
      ownerReferences: [ownerReference(deployment)],
    },
    spec: {
      replicas: spec.replicas,
      selector: { matchLabels: { ...mapAt(spec, 'selector', 'matchLabels'), [hashLabel]: hash } },
      template: { metadata: { labels, annotations }, spec: valueAt(template, 'spec') },
    },
  }
  objects.create(catalog.row(replicaSetsKey), namespace, body, { manager: component })
  const message = `Scaled up replica set ${name}-${hash} from 0 to ${spec.replicas}`
  recordEvent(context, deployment, { component, reason: 'ScalingReplicaSet', message })
}

function scale({ objects, catalog }: ControllerContext, set: ApiObject, replicas: number): void {
  if (numberAt(set, 'spec', 'replicas') === replicas) return
  const scaled = (draft: ApiObject) => ({ ...draft, spec: { ...(draft.spec as object), replicas } })
  objects.update(catalog.row(replicaSetsKey), set.metadata, scaled, { manager: component })
}

function availableCondition({ clock }: ControllerContext, deployment: ApiObject, available: boolean): object {
  const status = available ? 'True' : 'False'
  const before = recordsAt(deployment, 'status', 'conditions').find(({ type }) => type === 'Available')
  if (before?.status === status) return before
  const now = timestamp(clock.now())
  return {
    type: 'Available',
    status,
    lastTransitionTime: now,
    lastUpdateTime: now,
    reason: available ? 'MinimumReplicasAvailable' : 'MinimumReplicasUnavailable',
    message: `Deployment ${available ? 'has' : 'does not have'} minimum availability.`,
  }
}
