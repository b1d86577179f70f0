import type { UntypedObject } from '#kubernetes/client'
import { recordOf, stringOf, valueAt } from '#lib/formats'
import { timeOf } from './cluster-view.ts'
import type { WorkloadView } from './decide.ts'
import { restartedForAnnotation } from './restart-settings.ts'
import type { WorkloadKind } from './workload-kinds.ts'

/** Under this name the API server records the fields that are ours. */
export const fieldManager = 'keymount-restart'

/** What a workload's full object has about restarts. */
export function workloadState(kind: WorkloadKind, object: UntypedObject): WorkloadView {
  const text = stringOf(valueAt(object, 'spec', 'template', 'metadata', 'annotations', restartedForAnnotation))
  if (kind === 'Rollout') return rolloutState(object)
  return {
    restartedFor: text,
    restartedAt: text === undefined ? undefined : ourLastWrite(object),
    paused: valueAt(object, 'spec', 'paused') === true,
    rollingOut: isOutdated(object) || isRollingOut[kind](object),
    replacesPods: (stringOf(valueAt(object, 'spec', 'updateStrategy', 'type')) ?? 'RollingUpdate') !== 'OnDelete',
  }
}

/** A Rollout is restarted by a time instead of a changed template, which would make a new revision with all its steps. */
function rolloutState(object: UntypedObject): WorkloadView {
  const restartAt = timeOf(stringOf(valueAt(object, 'spec', 'restartAt')))
  const restartedAt = timeOf(stringOf(valueAt(object, 'status', 'restartedAt')))
  const phase = stringOf(valueAt(object, 'status', 'phase')) ?? ''
  return {
    restartedFor: undefined,
    restartedAt: restartAt,
    coversUntil: restartAt,
    paused: valueAt(object, 'spec', 'paused') === true,
    rollingOut:
      isOutdated(object) ||
      phase === 'Progressing' ||
      phase === 'Paused' ||
      (restartAt !== undefined && (restartedAt ?? 0) < restartAt),
    replacesPods: true,
  }
}

/** Whether its controller has not seen its last change yet. */
function isOutdated(object: UntypedObject): boolean {
  // Argo writes a text.
  return Number(valueAt(object, 'status', 'observedGeneration') ?? 0) < (object.metadata.generation ?? 0)
}

/**
 * Whether pods of an older template are still to be replaced. Pods that are not ready do not count: those that fail because
 * of an old password are what a restart is for.
 */
const isRollingOut: Record<Exclude<WorkloadKind, 'Rollout'>, (object: UntypedObject) => boolean> = {
  Deployment: (object) => {
    const updated = statusNumber(object, 'updatedReplicas')
    return updated < replicasOf(object) || statusNumber(object, 'replicas') > updated
  },
  StatefulSet: (object) => {
    const partition = Number(valueAt(object, 'spec', 'updateStrategy', 'rollingUpdate', 'partition') ?? 0)
    const { currentRevision, updateRevision } = recordOf(object.status) ?? {}
    if (updateRevision === undefined || currentRevision === updateRevision) return false
    return statusNumber(object, 'updatedReplicas') < Math.max(replicasOf(object) - partition, 0)
  },
  DaemonSet: (object) =>
    statusNumber(object, 'updatedNumberScheduled') < statusNumber(object, 'desiredNumberScheduled'),
}

function replicasOf(object: UntypedObject): number {
  return Number(valueAt(object, 'spec', 'replicas') ?? 1)
}

function statusNumber(object: UntypedObject, field: string): number {
  return Number(valueAt(object, 'status', field) ?? 0)
}

/** When we last changed the annotation, by the API server's record. */
function ourLastWrite({ metadata }: UntypedObject): number | undefined {
  const ours = (metadata.managedFields ?? []).map(recordOf).find((entry) => entry?.manager === fieldManager)
  return timeOf(stringOf(ours?.time))
}
