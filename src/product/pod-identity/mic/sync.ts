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
import type { MachineUpdater, UpdateOutcome } from './update-machine.ts'

export interface SyncOptions {
  view: ClusterView
  nodes: Nodes
  machines: MachineUpdater
  assignments: Assignments
  events: EventRecorder
  log: Log
  forceNamespaced: boolean
  isImmutable(assigned: AzureAssignedIdentity): boolean
  /** Concurrent writes to the API server for one machine. */
  batch: number
}

export interface SyncResult {
  /** Whether there was anything to do. */
  worked: boolean
  /** Whether all of it was done. */
  complete: boolean
}

/** One cycle: from what pods request to what their machines have. */
export async function sync(options: SyncOptions): Promise<SyncResult> {
  const { view, nodes, assignments, events, batch } = options
  const match = matchPods(view, options)
  for (const { about, message } of match.problems) {
    await events.record(referenceTo(about), 'Warning', 'binding apply error', message)
  }
  const planned = planChanges(match.desired, view.assigned)
  if (isEmpty(planned)) return { worked: false, complete: true }

  const current = await readGivenUp(planned, { assignments, batch })
  const { changes } = current
  const written = await writeCreated(changes, { assignments, batch })
  const machineOfNode = await nodes.machinesOf(nodeNames(changes, match))
  const plan = planMachines({
    changes: written.changes,
    desired: match.desired.values(),
    machineOfNode,
    isImmutable: options.isImmutable,
  })
  const withoutMachine = { ...plan.withoutMachine, replaced: [], delta: { add: [], remove: [] } }
  const results = await Promise.all([
    writeOutcome(withoutMachine, undefined, options),
    ...plan.machines.map((work) => updateMachine(work, options)),
  ])
  const complete = current.complete && written.complete && plan.unknownNodes.length === 0 && results.every(Boolean)
  return { worked: true, complete }
}

/**
 * Reads the assignments that end and are Created as far as we know. One of them may be Assigned, if we never got the answer to
 * our own write: taken for Created, its identity would stay on the machine. Those that cannot be read wait.
 */
async function readGivenUp(
  changes: Changes,
  { assignments, batch }: Pick<SyncOptions, 'assignments' | 'batch'>,
): Promise<{ changes: Changes; complete: boolean }> {
  const remove: Changes['remove'] = []
  const read = async (assigned: AzureAssignedIdentity) =>
    stateOf(assigned) === 'Created' ? assignments.read(assigned) : assigned
  await forEachLimited(changes.remove, batch, async (assigned) => {
    const current = await read(assigned)
    if (current !== undefined) remove.push(current)
  })
  const replace = await filterLimited(changes.replace, batch, async (one) => {
    const before = await read(one.before)
    // Otherwise the next cycle plans the replacement of what is there.
    return before !== undefined && stateOf(before) === stateOf(one.before)
  })
  const complete = remove.length === changes.remove.length && replace.length === changes.replace.length
  return { changes: { ...changes, remove, replace }, complete }
}

/** Every assignment exists as Created before the call to Azure, so that no identity is assigned without a record of it. */
async function writeCreated(
  changes: Changes,
  { assignments, batch }: Pick<SyncOptions, 'assignments' | 'batch'>,
): Promise<{ changes: Changes; complete: boolean }> {
  const create = await filterLimited(changes.create, batch, assignments.create)
  const replace = await filterLimited(changes.replace, batch, ({ after }) => assignments.replace(after))
  const complete = create.length === changes.create.length && replace.length === changes.replace.length
  return { changes: { ...changes, create, replace }, complete }
}

/** The items for which `test` resolves to true. At most `limit` of them are tested at once. */
async function filterLimited<T>(items: Iterable<T>, limit: number, test: (item: T) => Promise<boolean>): Promise<T[]> {
  const passed: T[] = []
  await forEachLimited(items, limit, async (item) => {
    if (await test(item)) passed.push(item)
  })
  return passed
}

/** The nodes whose machine is needed: those of the changes, and of other pods with an identity that may be removed. */
function nodeNames({ create, replace, retry, remove }: Changes, { desired }: Match): Set<string> {
  const changed = [...create, ...retry, ...remove, ...replace.flatMap(({ before, after }) => [before, after])]
  const leaving = new Set([...remove, ...replace.map(({ before }) => before)].map(machineIdentityId))
  const others = [...desired.values()].filter((one) => leaving.has(machineIdentityId(one)))
  return new Set([...changed, ...others].filter((one) => machineIdentityId(one)).map(({ spec }) => spec.nodename))
}

async function updateMachine(work: MachineWork, options: SyncOptions): Promise<boolean> {
  const outcome = await options.machines.update(work.machine, work.delta, ownersOf(work.assign))
  return writeOutcome(work, outcome, options)
}

/** The namespace whose AzureIdentity asks for an identity; the first in the order of assignments if there are several. */
function ownersOf(assign: readonly AzureAssignedIdentity[]): (id: string) => string {
  const owners = new Map<string, string>()
  for (const assigned of assign) {
    const id = machineIdentityId(assigned)
    const { namespace = '' } = assigned.spec.azureIdentityRef.metadata
    if (id !== undefined && !owners.has(id)) owners.set(id, namespace)
  }
  return (id) => owners.get(id) ?? ''
}

/**
 * Writes the result of an update into the assignments. Those whose part failed stay as they are, and the next cycle retries.
 * Resolves to whether everything succeeded.
 */
async function writeOutcome(
  { assign, release, replaced, delta }: Omit<MachineWork, 'machine'>,
  outcome: UpdateOutcome | undefined,
  { assignments, batch }: SyncOptions,
): Promise<boolean> {
  const removing = new Set(delta.remove)
  const has = (id: string) => outcome?.ids?.has(id) === true
  /** Whether the machine still has an identity that was to be removed. */
  const keeps = (assigned: AzureAssignedIdentity) => {
    const id = machineIdentityId(assigned)
    return id !== undefined && removing.has(id) && (outcome?.ids === undefined || has(id))
  }
  const removeFailed = (assigned: AzureAssignedIdentity) =>
    assignments.removeFailed(assigned, outcome?.error ?? 'Azure did not report the identities of the machine')
  let complete = true
  await forEachLimited(assign, batch, async (assigned) => {
    const id = machineIdentityId(assigned)
    if (id === undefined || has(id)) complete = (await assignments.setAssigned(assigned)) && complete
    else {
      complete = false
      await assignments.assignFailed(assigned, outcome?.errorOf(id) ?? 'the machine is gone or being deleted')
    }
  })
  await forEachLimited(release, batch, async (assigned) => {
    if (!keeps(assigned)) complete = (await assignments.remove(assigned)) && complete
    else {
      complete = false
      await removeFailed(assigned)
    }
  })
  await forEachLimited(replaced.filter(keeps), batch, removeFailed)
  return complete
}

/** Gives machines back identities that were removed by other means; removes none. */
export async function reconcile({ view, nodes, machines, log }: SyncOptions): Promise<void> {
  const assigned = [...view.assigned.values()].filter((one) => stateOf(one) === 'Assigned' && machineIdentityId(one))
  const machineOfNode = await nodes.machinesOf(assigned.map(({ spec }) => spec.nodename))
  const plan = planMachines({
    changes: { create: [], replace: [], retry: assigned, remove: [] },
    desired: [],
    machineOfNode,
    isImmutable: () => true,
  })
  await forEachLimited(plan.machines, 5, async ({ machine, delta, assign }) => {
    const { error } = await machines.update(machine, delta, ownersOf(assign))
    if (error !== undefined) log.warn({ err: error, machine: machine.id }, 'a machine lacks identities of its pods')
  })
}
