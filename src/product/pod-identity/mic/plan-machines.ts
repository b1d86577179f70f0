import type { AzureAssignedIdentity } from '#kubernetes/client'
import { machineIdentityId } from '../azure-identity.ts'
import { type Machine, machineKey } from './machine.ts'
import type { IdentityDelta } from './machine-identity.ts'
import { type Changes, stateOf } from './plan-changes.ts'

/** What one machine has to be told, and what depends on it. */
export interface MachineWork {
  machine: Machine
  delta: IdentityDelta
  /** Become Assigned when the machine has their identity. */
  assign: AzureAssignedIdentity[]
  /** Go when the machine has their identity no more, or keeps it for somebody else. */
  release: AzureAssignedIdentity[]
  /** As they were before another took their place: nothing is left of them that could be tried again. */
  left: AzureAssignedIdentity[]
}

export interface MachinePlan {
  machines: MachineWork[]
  /** Assignments that no machine has to be told of: those of service principals, and of nodes that are gone. */
  withoutMachine: Pick<MachineWork, 'assign' | 'release'>
  /** Nodes whose machine is not known now; what is on them waits. */
  unknownNodes: string[]
}

/** The machine of a node; `gone` when there is no such node, `unknown` when that could not be found out. */
export type MachineOfNode = (nodeName: string) => Machine | 'gone' | 'unknown'

export interface MachinePlanOptions {
  changes: Changes
  /** Everything that should exist, for whoever else needs an identity. */
  desired: Iterable<AzureAssignedIdentity>
  machineOfNode: MachineOfNode
  /** Whether a machine keeps the identity whatever happens. */
  isImmutable(assigned: AzureAssignedIdentity): boolean
}

/** Gathers what each machine has to be told, so that Azure is asked once per machine whatever the number of pods. */
export function planMachines({ changes, desired, machineOfNode, isImmutable }: MachinePlanOptions): MachinePlan {
  const withoutMachine: MachinePlan['withoutMachine'] = { assign: [], release: [] }
  const unknownNodes = new Set<string>()
  const works = new Map<string, MachineWork & { delta: { add: string[]; remove: string[] } }>()

  const workOf = (machine: Machine) => {
    const key = machineKey(machine)
    const work = works.get(key) ?? { machine, delta: { add: [], remove: [] }, assign: [], release: [], left: [] }
    works.set(key, work)
    return work
  }

  function assign(assigned: AzureAssignedIdentity): void {
    const id = machineIdentityId(assigned)
    const { nodename } = assigned.spec
    const machine = id === undefined ? undefined : machineOfNode(nodename)
    if (id === undefined || machine === undefined) withoutMachine.assign.push(assigned)
    else if (machine === 'unknown') unknownNodes.add(nodename)
    else if (machine !== 'gone') {
      const work = workOf(machine)
      work.delta.add.push(id)
      work.assign.push(assigned)
    }
  }

  function takeAway(assigned: AzureAssignedIdentity, then: 'release' | 'left'): void {
    const id = machineIdentityId(assigned)
    const { nodename } = assigned.spec
    const machine = id === undefined ? 'gone' : machineOfNode(nodename)
    if (machine === 'unknown') return void unknownNodes.add(nodename)
    if (id === undefined || machine === 'gone') {
      if (then === 'release') withoutMachine.release.push(assigned)
      return
    }
    const work = workOf(machine)
    work[then].push(assigned)
    // What was never assigned may be somebody else's: a Created one is not taken away.
    const assignedByUs = stateOf(assigned) === 'Assigned' || stateOf(assigned) === ''
    if (assignedByUs && !isImmutable(assigned)) work.delta.remove.push(id)
  }

  for (const assigned of [...changes.create, ...changes.retry]) assign(assigned)
  for (const { before, after } of changes.replace) {
    if (stateOf(after) === 'Created') {
      assign(after)
      takeAway(before, 'left')
    }
  }
  for (const assigned of changes.remove) takeAway(assigned, 'release')

  const nodesById = nodesByIdentity(desired)
  /** By any pod on the machine, of whatever name and namespace. A node that is not known now counts as on it. */
  const isInUse = (id: string, machine: Machine) =>
    [...(nodesById.get(id) ?? [])].some((nodeName) => {
      const other = machineOfNode(nodeName)
      return other === 'unknown' || (other !== 'gone' && machineKey(other) === machineKey(machine))
    })
  const machines = [...works.values()].map(({ delta: { add, remove }, ...work }) => ({
    ...work,
    delta: { add, remove: remove.filter((id) => !isInUse(id, work.machine)) },
  }))
  return { machines, withoutMachine, unknownNodes: [...unknownNodes] }
}

/** The nodes on which each identity should be, by its id. */
function nodesByIdentity(desired: Iterable<AzureAssignedIdentity>): Map<string, Set<string>> {
  const nodes = new Map<string, Set<string>>()
  for (const assigned of desired) {
    const id = machineIdentityId(assigned)
    if (id === undefined) continue
    const ofIdentity = nodes.get(id) ?? new Set()
    nodes.set(id, ofIdentity.add(assigned.spec.nodename))
  }
  return nodes
}
