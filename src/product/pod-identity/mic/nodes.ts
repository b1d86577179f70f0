import { isNotFound, type KubeClient, resources } from '#kubernetes/client'
import type { Clock, Log } from '#lib'
import { forEachLimited } from '#lib/async'
import { type Machine, type MachinePlace, machineOf } from './machine.ts'
import type { MachineOfNode } from './plan-machines.ts'

/** For how long a node's machine is believed. A node of the same name may be another machine later. */
const holdMs = 5 * 60_000

/** The machines of nodes, read when a change needs them: nodes are not watched, because they write their status all the time. */
export interface Nodes {
  /** Reads what is not known of these nodes. The answer holds for one cycle. */
  machinesOf(nodeNames: Iterable<string>): Promise<MachineOfNode>
}

export interface NodesOptions {
  kube: KubeClient
  /** Of machines that say nothing of it themselves. */
  place: () => MachinePlace
  clock: Clock
  log: Log
}

export function createNodes({ kube, place, clock, log }: NodesOptions): Nodes {
  const known = new Map<string, { machine: Machine; until: number }>()

  async function read(name: string): Promise<Machine | 'gone' | 'unknown'> {
    const held = known.get(name)
    if (held !== undefined && held.until > clock.now()) return held.machine
    known.delete(name)
    try {
      const { spec } = await kube.get(resources.nodes, { name })
      const machine = machineOf({ name, providerId: spec?.providerID ?? '' }, place())
      known.set(name, { machine, until: clock.now() + holdMs })
      return machine
    } catch (error) {
      if (isNotFound(error)) return 'gone'
      log.error({ err: error, node: name }, 'the machine of a node is not known')
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
