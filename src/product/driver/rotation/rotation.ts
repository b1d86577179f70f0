import { Code, RpcError } from '#kubernetes/grpc'
import { errorMessage, type Running } from '#lib'
import { createFairGate, type FairGate } from '#lib/async'
import { driverLimits } from '../driver-limits.ts'
import { createDueTimer, type DueTimer } from '../due-timer.ts'
import { type CheckableVolume, isCheckable, type Volume } from '../mount/volumes.ts'
import type { Node } from '../node.ts'
import { checkVolume } from './check-volume.ts'

interface Rotation {
  node: Node
  /** Bounds the checks that run at the same time; namespaces take turns. The provider shares what checks have in common. */
  gate: FairGate
  /** Checks that wait or run, by target. */
  inProgress: Map<string, Promise<void>>
  stopping: AbortController
  timer: DueTimer
}

/**
 * Rotation by the driver's own clock: one timer for whichever volume is due next. Volumes that kubelet has not asked for since
 * the driver started are left out: their tokens are not known yet. Where rotation is off, only volumes with values from before an
 * outage are checked, until they have what their mount promised.
 */
export function startRotation(node: Node): Running {
  const rotation: Rotation = {
    node,
    gate: createFairGate({ total: driverLimits.rotationSlots.value }),
    inProgress: new Map(),
    stopping: new AbortController(),
    timer: createDueTimer(node.clock, () => dispatch(rotation)),
  }
  node.volumes.onChange(() => dispatch(rotation))
  return {
    async stop() {
      rotation.timer.stop()
      rotation.stopping.abort(new RpcError(Code.CANCELLED, 'the driver stops'))
      await Promise.all(rotation.inProgress.values())
    },
  }
}

/** Begins the checks that are due, and sets the timer for the next one. */
function dispatch(rotation: Rotation): void {
  const { node, gate, inProgress, stopping, timer } = rotation
  if (stopping.signal.aborted) return
  const now = node.clock.elapsed()
  const isWaiting = (volume: Volume) => isCheckable(volume) && !inProgress.has(volume.target)
  const waiting = node.volumes.all().filter((volume) => isWaiting(volume) && isKeptFresh(node, volume))
  const due = waiting.filter(({ nextCheckAt }) => nextCheckAt <= now)
  for (const { target, pod } of due.toSorted((a, b) => a.nextCheckAt - b.nextCheckAt)) {
    const check = gate
      .run(pod.namespace, () => checkOne(rotation, target), stopping.signal)
      .catch(() => {})
      .finally(() => {
        inProgress.delete(target)
        dispatch(rotation)
      })
    inProgress.set(target, check)
  }
  timer.set(Math.min(...waiting.map(({ nextCheckAt }) => nextCheckAt).filter((at) => at > now)))
}

async function checkOne({ node, stopping }: Rotation, target: string): Promise<void> {
  const { operations, mounter, volumes, memory, log } = node
  try {
    await operations.run(target, stopping.signal, async (signal) => {
      const volume = volumes.get(target)
      // kubelet's republish may have checked it while this waited for the lock.
      if (volume === undefined || !isCheckable(volume) || !isKeptFresh(node, volume) || !isDue(node, volume)) return
      // A volume that vanished without an unpublish must not be written to: that would be the node's disk.
      if (await mounter.isMounted(target)) return await checkVolume(node, volume, signal)
      volumes.delete(target)
      memory.set(target, undefined)
    })
  } catch (error) {
    log.debug({ targetPath: target }, `not checked: ${errorMessage(error)}`)
  }
}

function isKeptFresh({ config }: Node, { stale }: Volume): boolean {
  return config.rotation || stale !== undefined
}

function isDue({ clock }: Node, { nextCheckAt }: CheckableVolume): boolean {
  return nextCheckAt <= clock.elapsed()
}

/** How long the timer may be late before kubelet's republish checks the volume instead. */
const lateMs = 5000

/** Whether the volume's check should have happened by now. */
export function isOverdue(node: Node, volume: Volume): boolean {
  return isKeptFresh(node, volume) && volume.nextCheckAt + lateMs <= node.clock.elapsed()
}
