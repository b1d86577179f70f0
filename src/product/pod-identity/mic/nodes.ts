import { isNotFound, type KubeClient, resources } from '#kubernetes/client'
import type { Clock, Log } from '#lib'
import { forEachLimited } from '#lib/async'
import { type Machine, type MachinePlace, machineOf } from './machine.ts'
import type { MachineOfNode } from './plan-machines.ts'

/** How long a node's machine is used again. A node of the same name may be another machine later. */
const holdMs = 5 * 60_000

/** The machines of nodes, read when a change needs them: nodes are not watched, because their status changes all the time. */
export interface Nodes {
  /** Reads the nodes that are not held. The answer is for one cycle. */
  machinesOf(nodeNames: Iterable<string>): Promise<MachineOfNode>
}

export interface NodesOptions {
  kube: KubeClient
  /** For machines whose nodes have no provider id. */
  place: () => MachinePlace
  clock: Clock
  log: Log
}

export function createNodes({ kube, place, clock, log }: NodesOptions): Nodes {
  const machines = new Map<string, { machine: Machine; until: number }>()

  async function read(name: string): Promise<Machine | 'gone' | 'unknown'> {
    const held = machines.get(name)
    if (held !== undefined && held.until > clock.elapsed()) return held.machine
    machines.delete(name)
    try {
      const { spec } = await kube.get(resources.nodes, { name })
      const machine = machineOf({ name, providerId: spec?.providerID ?? '' }, place())
      machines.set(name, { machine, until: clock.elapsed() + holdMs })
      return machine
    } catch (error) {
      if (isNotFound(error)) return 'gone'
      log.error({ err: error, node: name }, 'cannot find out the machine of a node')
      return 'unknown'
    }
  }

  return {
    async machinesOf(nodeNames) {
      const found = new Map<string, Machine | 'gone' | 'unknown'>()
      await forEachLimited(new Set(nodeNames), 10, async (name) => found.set(name, await read(name)))
      return (name) => found.get(name) ?? 'unknown'
    },
  }
}
