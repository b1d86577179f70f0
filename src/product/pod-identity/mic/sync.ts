import type { AzureAssignedIdentity, EventRecorder } from '#kubernetes/client'
import type { Log } from '#lib'
import { forEachLimited } from '#lib/async'
import { machineIdentityId } from '../azure-identity.ts'
import { type Assignments, referenceTo } from './assignments.ts'
import type { ClusterView } from './cluster-view.ts'
import { type Match, matchPods } from './match-pods.ts'
import type { Nodes } from './nodes.ts'
import { type Changes, isEmpty, planChanges, stateOf } from './plan-changes.ts'
import { type MachineWork, planMachines } from './plan-machines.ts'
import type { MachineUpdater } from './update-machine.ts'

export interface SyncOptions {
  view: ClusterView
  nodes: Nodes
  machines: MachineUpdater
  assignments: Assignments
  events: EventRecorder
  log: Log
  forceNamespaced: boolean
  isImmutable(assigned: AzureAssignedIdentity): boolean
  /** Writes to the API server in flight for one machine. */
  batch: number
}

export interface SyncResult {
  /** Whether there was anything to do. */
  worked: boolean
  /** Whether all of it was done. */
  complete: boolean
}

/** One cycle: from what pods ask for to what their machines have. Rejects never. */
export async function sync(options: SyncOptions): Promise<SyncResult> {
  const { view, nodes, assignments, events, batch } = options
  const match = matchPods(view, options)
  for (const { about, message } of match.problems) {
    await events.record(referenceTo(about), 'Warning', 'binding apply error', message)
  }
  const changes = planChanges(match.desired, view.assigned)
  if (isEmpty(changes)) return { worked: false, complete: true }

  const written = await writeCreated(changes, { assignments, batch })
  const machineOfNode = await nodes.machinesOf(nodeNames(changes, match))
  const plan = planMachines({
    changes: written.changes,
    desired: match.desired.values(),
    machineOfNode,
    isImmutable: options.isImmutable,
  })
  const results = await Promise.all([
    settle({ ...plan.withoutMachine, left: [], delta: { add: [], remove: [] } }, undefined, options),
    ...plan.machines.map((work) => tellMachine(work, options)),
  ])
  return { worked: true, complete: written.complete && plan.unknownNodes.length === 0 && results.every(Boolean) }
}

/** Every assignment exists as Created before Azure is told of it, so that nothing is assigned that nobody knows of. */
async function writeCreated(
  changes: Changes,
  { assignments, batch }: Pick<SyncOptions, 'assignments' | 'batch'>,
): Promise<{ changes: Changes; complete: boolean }> {
  const create: Changes['create'] = []
  const replace: Changes['replace'] = []
  await forEachLimited(changes.create, batch, async (wanted) => {
    if (await assignments.create(wanted)) create.push(wanted)
  })
  await forEachLimited(changes.replace, batch, async (one) => {
    if (await assignments.replace(one.after)) replace.push(one)
  })
  const complete = create.length === changes.create.length && replace.length === changes.replace.length
  return { changes: { ...changes, create, replace }, complete }
}

/** The nodes whose machine has to be known: those of the changes, and of whoever else uses an identity that may be taken away. */
function nodeNames({ create, replace, retry, remove }: Changes, { desired }: Match): Set<string> {
  const changed = [...create, ...retry, ...remove, ...replace.flatMap(({ before, after }) => [before, after])]
  const leaving = new Set([...remove, ...replace.map(({ before }) => before)].map(machineIdentityId))
  const others = [...desired.values()].filter((one) => leaving.has(machineIdentityId(one)))
  return new Set([...changed, ...others].filter((one) => machineIdentityId(one)).map(({ spec }) => spec.nodename))
}

async function tellMachine(work: MachineWork, options: SyncOptions): Promise<boolean> {
  const outcome = await options.machines.update(work.machine, work.delta)
  return settle(work, outcome, options)
}

type Outcome = Awaited<ReturnType<MachineUpdater['update']>>

/** Writes down what became true; what did not stays as it is and is tried again. Whether all of it became true. */
async function settle(
  { assign, release, left, delta }: Omit<MachineWork, 'machine'>,
  outcome: Outcome | undefined,
  { assignments, batch }: SyncOptions,
): Promise<boolean> {
  const removing = new Set(delta.remove)
  const has = (id: string) => outcome?.ids?.has(id) === true
  /** The machine has an identity still that it should not have. */
  const keeps = (assigned: AzureAssignedIdentity) => {
    const id = machineIdentityId(assigned)
    return id !== undefined && removing.has(id) && (outcome?.ids === undefined || has(id))
  }
  const removeFailed = (assigned: AzureAssignedIdentity) =>
    assignments.removeFailed(assigned, outcome?.error ?? 'Azure did not tell what the machine has')
  let complete = true
  await forEachLimited(assign, batch, async (assigned) => {
    const id = machineIdentityId(assigned)
    if (id === undefined || has(id)) complete = (await assignments.setAssigned(assigned)) && complete
    else {
      complete = false
      await assignments.assignFailed(assigned, outcome?.error ?? 'the machine is gone, or going')
    }
  })
  await forEachLimited(release, batch, async (assigned) => {
    if (!keeps(assigned)) complete = (await assignments.remove(assigned)) && complete
    else {
      complete = false
      await removeFailed(assigned)
    }
  })
  await forEachLimited(left.filter(keeps), batch, removeFailed)
  return complete
}

/** Gives machines back what somebody took from them behind our back; takes nothing away. */
export async function reconcile({ view, nodes, machines, log }: SyncOptions): Promise<void> {
  const assigned = [...view.assigned.values()].filter((one) => stateOf(one) === 'Assigned' && machineIdentityId(one))
  const machineOfNode = await nodes.machinesOf(assigned.map(({ spec }) => spec.nodename))
  const plan = planMachines({
    changes: { create: [], replace: [], retry: assigned, remove: [] },
    desired: [],
    machineOfNode,
    isImmutable: () => true,
  })
  await forEachLimited(plan.machines, 5, async ({ machine, delta }) => {
    const { error } = await machines.update(machine, delta)
    if (error !== undefined) log.warn({ err: error, machine: machine.id }, 'a machine lacks identities of its pods')
  })
}
