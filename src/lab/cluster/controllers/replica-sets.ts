import { numberAt } from '../api-server/api-object.ts'
import { controllerOf } from './controller.ts'
import { createPod, creationsOf, deletePod, dependents, hasEnded, isReady, writeStatus } from './owned-objects.ts'

const resource = 'replicasets.apps'

/** Keeps the number of pods at `replicas`. */
export const replicaSets = controllerOf(resource, {
  name: 'replica-sets',
  watches: ['pods'],
  sync(context, set) {
    const wanted = numberAt(set, 'spec', 'replicas')
    const pods = dependents(context, 'pods', set)
      .filter((pod) => pod.metadata.deletionTimestamp === undefined && !hasEnded(pod))
      // Those that are ready stay when there are too many.
      .toSorted((a, b) => Number(isReady(b)) - Number(isReady(a)))
    for (const pod of pods.slice(wanted)) deletePod(context, set, pod)
    for (let missing = wanted - pods.length - creationsOf(context, set); missing > 0; missing--) createPod(context, set)
    const ready = pods.filter(isReady).length
    writeStatus(context, resource, set, {
      replicas: pods.length,
      fullyLabeledReplicas: pods.length,
      ...(ready === 0 ? {} : { readyReplicas: ready, availableReplicas: ready }),
    })
  },
})
