import type { Condition, Container, ContainerState, ContainerStatus, Pod } from '#kubernetes/client'
import { timestamp } from '#lib'

export type PodStatus = NonNullable<Pod['status']>
type Phase = NonNullable<PodStatus['phase']>

/** What the node agent knows of a container. */
export interface ContainerRecord {
  spec: Container
  restartCount: number
  imageID: string
  containerID?: string
  state: ContainerState
  lastState?: ContainerState
  started: boolean
  ready: boolean
}

export interface PodFacts {
  initContainers: readonly ContainerRecord[]
  containers: readonly ContainerRecord[]
  /** Whether volumes are mounted, so that containers can start. */
  prepared: boolean
  nodeIP: string
  podIP: string
  now: number
}

/** Whether an init container is a sidecar: it runs beside the containers, and the pod does not wait for its end. */
export function isSidecar({ restartPolicy }: Container): boolean {
  return restartPolicy === 'Always'
}

/** Whether the pod may go on after this init container. A sidecar that has started once counts for good. */
function isInitialized(record: ContainerRecord): boolean {
  if (!isSidecar(record.spec)) return succeeded(record)
  return record.started || record.state.terminated !== undefined || record.lastState !== undefined
}

/** The status of a pod as kubelet computes it from its containers. */
export function podStatus(pod: Pod, facts: PodFacts): PodStatus {
  const { initContainers, containers, nodeIP, podIP, now } = facts
  const time = timestamp(now)
  const earlier = pod.status ?? {}
  const phase = phaseOf(pod.spec.restartPolicy ?? 'Always', facts)
  const since = (condition: Condition): Condition => {
    const before = earlier.conditions?.find(({ type }) => type === condition.type)
    const same = before?.status === condition.status
    return {
      lastProbeTime: null,
      lastTransitionTime: (same ? before.lastTransitionTime : undefined) ?? time,
      ...condition,
    }
  }
  return {
    ...earlier,
    phase,
    conditions: conditionsOf(phase, facts).map(since),
    hostIP: nodeIP,
    podIP,
    podIPs: [{ ip: podIP }],
    startTime: earlier.startTime ?? time,
    ...(initContainers.length === 0 ? {} : { initContainerStatuses: initContainers.map(containerStatus) }),
    containerStatuses: containers.map(containerStatus),
  }
}

/** https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-phase */
function phaseOf(policy: string, { initContainers, containers }: PodFacts): Phase {
  const failedInit = initContainers.some(
    ({ spec, state }) => !isSidecar(spec) && (state.terminated?.exitCode ?? 0) !== 0,
  )
  if (failedInit && policy === 'Never') return 'Failed'
  if (!initContainers.every(isInitialized)) return 'Pending'
  const running = containers.filter(({ state }) => state.running !== undefined)
  const ended = containers.filter(
    ({ state, lastState }) =>
      state.terminated !== undefined || (state.waiting !== undefined && lastState?.terminated !== undefined),
  )
  if (running.length + ended.length < containers.length) return 'Pending'
  if (running.length > 0 || policy === 'Always') return 'Running'
  if (containers.every(succeeded)) return 'Succeeded'
  return policy === 'Never' ? 'Failed' : 'Running'
}

function succeeded({ state }: ContainerRecord): boolean {
  return state.terminated?.exitCode === 0
}

function conditionsOf(phase: Phase, { initContainers, containers, prepared }: PodFacts): Condition[] {
  const incomplete = initContainers.filter((record) => !isInitialized(record)).map(({ spec }) => spec.name)
  const sidecars = initContainers.filter(({ spec }) => isSidecar(spec))
  const unready = [...sidecars, ...containers].filter(({ ready }) => !ready).map(({ spec }) => spec.name)
  const over = phase === 'Succeeded' || phase === 'Failed'
  const ready: Omit<Condition, 'type'> =
    unready.length === 0
      ? { status: 'True' }
      : phase === 'Succeeded'
        ? { status: 'False', reason: 'PodCompleted' }
        : {
            status: 'False',
            reason: 'ContainersNotReady',
            message: `containers with unready status: [${unready.join(' ')}]`,
          }
  const initialized: Omit<Condition, 'type'> =
    incomplete.length === 0
      ? { status: 'True' }
      : {
          status: 'False',
          reason: 'ContainersNotInitialized',
          message: `containers with incomplete status: [${incomplete.join(' ')}]`,
        }
  return [
    { type: 'PodReadyToStartContainers', status: prepared && !over ? 'True' : 'False' },
    { type: 'Initialized', ...initialized },
    { type: 'Ready', ...ready },
    { type: 'ContainersReady', ...ready },
    { type: 'PodScheduled', status: 'True' },
  ]
}

function containerStatus(record: ContainerRecord): ContainerStatus {
  const { spec, ready, started, restartCount, imageID, containerID, state, lastState = {} } = record
  return {
    name: spec.name,
    ready,
    started,
    restartCount,
    image: spec.image ?? '',
    imageID,
    ...(containerID === undefined ? {} : { containerID }),
    state,
    lastState,
  }
}

/**
 * The record of a container at the start of the node agent: new, or one that ran under an earlier node agent and ended with
 * it, as when a node is rebooted.
 */
export function initialRecord(
  spec: Container,
  status: ContainerStatus | undefined,
  waiting: string,
  now: number,
): ContainerRecord {
  const fresh = { spec, imageID: '', started: false, ready: false, state: { waiting: { reason: waiting } } }
  if (status === undefined) return { ...fresh, restartCount: 0 }
  const { state = {}, lastState, restartCount } = status
  const common = { ...fresh, imageID: status.imageID }
  if (state.running === undefined)
    return { ...common, restartCount, state, ...(lastState === undefined ? {} : { lastState }) }
  const terminated = {
    exitCode: 137,
    reason: 'Error',
    message: 'The container ended with the node agent that ran it',
    ...(state.running.startedAt === undefined ? {} : { startedAt: state.running.startedAt }),
    finishedAt: timestamp(now),
  }
  return { ...common, restartCount, state: { terminated } }
}
