import { timestamp } from '#lib'
import { type ApiObject, isRecord, mapAt, recordsAt, textAt } from '../api-server/api-object.ts'
import { selectorMatches } from '../api-server/objects/selectors.ts'
import { type ControllerContext, controllerOf } from './controller.ts'
import { recordEvent } from './record-event.ts'

const component = 'default-scheduler'

/** Whether the pod may run on the node, by its node selector. */
export function fits(spec: unknown, node: ApiObject): boolean {
  return selectorMatches({ matchLabels: mapAt(spec, 'nodeSelector') }, node.metadata.labels ?? {})
}

/** Gives every new pod its node: there is one. */
export const scheduler = controllerOf('pods', {
  name: 'scheduler',
  watches: ['nodes'],
  sync(context, pod) {
    if (textAt(pod, 'spec', 'nodeName') !== '' || !isForUs(pod)) return
    const nodes = context.store.list('nodes')
    const node = nodes.find((candidate) => fits(pod.spec, candidate))
    if (node === undefined) explain(context, pod, nodes.length)
    else bind(context, pod, node.metadata.name)
  },
})

/** A pod may name another scheduler, and has to wait while it has gates. */
function isForUs(pod: ApiObject): boolean {
  const name = textAt(pod, 'spec', 'schedulerName')
  return (name === '' || name === component) && recordsAt(pod, 'spec', 'schedulingGates').length === 0
}

/** What the binding subresource does in a real cluster: nothing else may change a pod's node. */
function bind(context: ControllerContext, pod: ApiObject, nodeName: string): void {
  const { store } = context
  const spec = { ...(isRecord(pod.spec) ? pod.spec : {}), nodeName }
  const bound = store.put('pods', withCondition(context, { ...pod, spec }, { status: 'True' }))
  const { namespace, name } = pod.metadata
  recordEvent(context, bound, {
    component,
    reason: 'Scheduled',
    message: `Successfully assigned ${namespace}/${name} to ${nodeName}`,
  })
}

function explain(context: ControllerContext, pod: ApiObject, nodes: number): void {
  const message =
    nodes === 0
      ? 'no nodes available to schedule pods'
      : `0/${nodes} nodes are available: ${nodes} node(s) didn't match Pod's node affinity/selector.`
  const known = recordsAt(pod, 'status', 'conditions').find(({ type }) => type === 'PodScheduled')
  if (known?.message === message) return
  const marked = context.store.put(
    'pods',
    withCondition(context, pod, { status: 'False', reason: 'Unschedulable', message }),
  )
  recordEvent(context, marked, { component, type: 'Warning', reason: 'FailedScheduling', message })
}

function withCondition({ clock }: ControllerContext, pod: ApiObject, condition: object): ApiObject {
  const others = recordsAt(pod, 'status', 'conditions').filter(({ type }) => type !== 'PodScheduled')
  const scheduled = {
    type: 'PodScheduled',
    lastProbeTime: null,
    lastTransitionTime: timestamp(clock.now()),
    ...condition,
  }
  return { ...pod, status: { ...(isRecord(pod.status) ? pod.status : {}), conditions: [...others, scheduled] } }
}
