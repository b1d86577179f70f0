import type { AzureAssignedIdentity } from '#kubernetes/client'
import { machineIdentityId } from '../azure-identity.ts'
import { type Machine, machineKey } from './machine.ts'
import type { IdentityDelta } from './machine-identity.ts'
import { type Changes, stateOf } from './plan-changes.ts'

/** The update of one machine, and the assignments that depend on it. */
export interface MachineWork {
  machine: Machine
  delta: IdentityDelta
  /** Become Assigned when the machine has their identity. */
  assign: AzureAssignedIdentity[]
  /** Are deleted when the machine no longer has their identity, or keeps it for another pod. */
  release: AzureAssignedIdentity[]
  /** As they were before their replacement: their identity is removed, but there is no object left to retry with. */
  replaced: AzureAssignedIdentity[]
}

export interface MachinePlan {
  machines: MachineWork[]
  /** Assignments without a machine to update: those of service principals, and of nodes that are gone. */
  withoutMachine: Pick<MachineWork, 'assign' | 'release'>
  /** Nodes whose machine could not be found out; their assignments wait. */
  unknownNodes: string[]
}

/** The machine of a node; `gone` when there is no such node, `unknown` when that could not be found out. */
export type MachineOfNode = (nodeName: string) => Machine | 'gone' | 'unknown'

export interface MachinePlanOptions {
  changes: Changes
  /** Everything that should exist: other pods may need an identity that one pod gives up. */
  desired: Iterable<AzureAssignedIdentity>
  machineOfNode: MachineOfNode
  /** Whether the identity is never removed from machines. */
  isImmutable(assigned: AzureAssignedIdentity): boolean
}

interface Planning extends MachinePlanOptions {
  withoutMachine: MachinePlan['withoutMachine']
  unknownNodes: Set<string>
  works: Map<string, MachineWork & { delta: { add: string[]; remove: string[] } }>
}

/** Collects the updates by machine, so that Azure is called once per machine whatever the number of pods. */
export function planMachines(options: MachinePlanOptions): MachinePlan {
  const { changes, desired } = options
  const planning: Planning = {
    ...options,
    withoutMachine: { assign: [], release: [] },
    unknownNodes: new Set(),
    works: new Map(),
  }
  for (const assigned of [...changes.create, ...changes.retry]) addIdentity(planning, assigned)
  for (const { before, after } of changes.replace) {
    if (stateOf(after) !== 'Created') continue
    addIdentity(planning, after)
    removeIdentity(planning, before, 'replaced')
  }
  for (const assigned of changes.remove) removeIdentity(planning, assigned, 'release')
  const useOf = usesOfIdentities(planning, desired)
  const machines = [...planning.works.values()].map((work) => withoutUsed(planning, work, useOf))
  return { machines, withoutMachine: planning.withoutMachine, unknownNodes: [...planning.unknownNodes] }
}

function addIdentity(planning: Planning, assigned: AzureAssignedIdentity): void {
  const id = machineIdentityId(assigned)
  if (id === undefined) return void planning.withoutMachine.assign.push(assigned)
  const { nodename } = assigned.spec
  const machine = planning.machineOfNode(nodename)
  if (machine === 'gone') return
  if (machine === 'unknown') return void planning.unknownNodes.add(nodename)
  const work = workOf(planning, machine)
  work.delta.add.push(id)
  work.assign.push(assigned)
}

function removeIdentity(planning: Planning, assigned: AzureAssignedIdentity, then: 'release' | 'replaced'): void {
  const id = machineIdentityId(assigned)
  const { nodename } = assigned.spec
  const machine = id === undefined ? 'gone' : planning.machineOfNode(nodename)
  if (machine === 'unknown') return void planning.unknownNodes.add(nodename)
  if (id === undefined || machine === 'gone') {
    if (then === 'release') planning.withoutMachine.release.push(assigned)
    return
  }
  const work = workOf(planning, machine)
  work[then].push(assigned)
  // An identity that we have not assigned may have been assigned by an administrator: in state Created it stays.
  const assignedByUs = stateOf(assigned) === 'Assigned' || stateOf(assigned) === ''
  if (assignedByUs && !planning.isImmutable(assigned)) work.delta.remove.push(id)
}

function workOf({ works }: Planning, machine: Machine) {
  const key = machineKey(machine)
  const work = works.get(key) ?? { machine, delta: { add: [], remove: [] }, assign: [], release: [], replaced: [] }
  works.set(key, work)
  return work
}

/** Whether a pod on the machine needs the identity; the name of a node when that depends on the machine of this node. */
type Use = boolean | { unknownNode: string }
type UseOf = (id: string, machine: Machine) => Use

/**
 * Leaves identities that other pods need on the machine. While it is not known whether one is needed, its assignments wait:
 * without them nothing would remove it later.
 */
function withoutUsed({ unknownNodes }: Planning, { delta: { add, remove }, ...work }: MachineWork, useOf: UseOf) {
  const uses = new Map(remove.map((id) => [id, useOf(id, work.machine)]))
  const waits = (assigned: AzureAssignedIdentity) => typeof uses.get(machineIdentityId(assigned) ?? '') === 'object'
  for (const use of uses.values()) if (typeof use === 'object') unknownNodes.add(use.unknownNode)
  return {
    ...work,
    delta: { add, remove: remove.filter((id) => uses.get(id) === false) },
    release: work.release.filter((assigned) => !waits(assigned)),
  }
}

/** Of pods of whatever name and namespace. */
function usesOfIdentities({ machineOfNode }: Planning, desired: Iterable<AzureAssignedIdentity>): UseOf {
  const nodes = nodesByIdentity(desired)
  return (id, machine) => {
    let unknownNode: string | undefined
    for (const nodeName of nodes.get(id) ?? []) {
      const other = machineOfNode(nodeName)
      if (other === 'unknown') unknownNode ??= nodeName
      else if (other !== 'gone' && machineKey(other) === machineKey(machine)) return true
    }
    return unknownNode === undefined ? false : { unknownNode }
  }
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
