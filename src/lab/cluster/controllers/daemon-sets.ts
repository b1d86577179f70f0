import { valueAt } from '#lib/formats'
import { textAt } from '../api-server/api-object.ts'
import { controllerOf } from './controller.ts'
import {
  createPod,
  creationsOf,
  deletePod,
  dependents,
  hasEnded,
  hashOf,
  isReady,
  writeStatus,
} from './owned-objects.ts'
import { fits } from './scheduler.ts'

const resource = 'daemonsets.apps'
const hashLabel = 'controller-revision-hash'

/** Keeps one pod on each node that fits; a pod of an older template is replaced at once (there are no rollout strategies here). */
export const daemonSets = controllerOf(resource, {
  name: 'daemon-sets',
  watches: ['pods', 'nodes'],
  sync(context, set) {
    const template = valueAt(set, 'spec', 'template')
    const hash = hashOf(template)
    const nodes = context.store.list('nodes').filter((node) => fits(valueAt(template, 'spec'), node)).length
    const pods = dependents(context, 'pods', set)
    const staying = pods.filter(({ metadata }) => metadata.deletionTimestamp === undefined)
    const current = staying.filter((pod) => pod.metadata.labels?.[hashLabel] === hash && !hasEnded(pod))
    const outdated = staying.filter((pod) => !current.includes(pod))
    for (const pod of [...outdated, ...current.slice(nodes)]) deletePod(context, set, pod)
    // A pod on its way out keeps its place: old and new must not fight over the node's sockets and files.
    for (let missing = nodes - pods.length - creationsOf(context, set); missing > 0; missing--)
      createPod(context, set, { [hashLabel]: hash })
    const ready = staying.filter(isReady).length
    writeStatus(context, resource, set, {
      currentNumberScheduled: staying.filter((pod) => textAt(pod, 'spec', 'nodeName') !== '').length,
      desiredNumberScheduled: nodes,
      numberAvailable: ready,
      numberMisscheduled: 0,
      numberReady: ready,
      ...(nodes > ready ? { numberUnavailable: nodes - ready } : {}),
      updatedNumberScheduled: current.length,
    })
  },
})
