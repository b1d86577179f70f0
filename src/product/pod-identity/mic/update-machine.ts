import { AzureRestError, type AzureService, isAzureNotFound } from '#azure/rest'
import { type Clock, sleep } from '#lib'
import { type Machine, machineKey } from './machine.ts'
import { assignedIds, type IdentityDelta, identityPatches, type MachineIdentity } from './machine-identity.ts'
import type { MicMetrics } from './mic-metrics.ts'

export interface MachineUpdater {
  /** Never rejects. @param ownerOf the namespace whose AzureIdentity asks for an id: the refused ids of one delay no other. */
  update(machine: Machine, delta: IdentityDelta, ownerOf?: (id: string) => string): Promise<UpdateOutcome>
}

export interface UpdateOutcome {
  /** What the machine has now, in lower case; undefined when Azure did not answer. */
  ids: Set<string> | undefined
  /** Why a part of the delta is not done: for an id that Azure refused by name the refusal, for others the last failure. */
  errorOf(id: string): unknown
  /** The last failure; undefined when all of the delta is done. */
  error: unknown
}

export interface MachineUpdaterOptions {
  resourceManager: AzureService
  metrics: MicMetrics
  clock: Clock
  /** Number of retries of an update without the identities that Azure refused. */
  maxRetry: number
  retryMs: number
}

/** Identities that Azure refused by name, with the refusal, in the order of their last attempts. By machine. */
type RefusedIds = Map<string, unknown>

interface Updater extends MachineUpdaterOptions {
  refused: Map<string, RefusedIds>
}

/** One update on its way. */
interface Update {
  updater: Updater
  machine: Machine
  refused: RefusedIds
  ids: Set<string> | undefined
  error: unknown
}

/**
 * Changes the identities of machines in Resource Manager, which accepts a PATCH as a whole or not at all, and names one
 * identity or a few when it refuses. So identities that were refused once travel by themselves from then on, and the others
 * are split by their owners when too many of them are refused: an AzureIdentity that cannot be assigned delays those of its
 * own namespace at most until the next cycle, and those of other namespaces not at all.
 * https://learn.microsoft.com/rest/api/compute/virtual-machine-scale-sets/update
 */
export function createMachineUpdater(options: MachineUpdaterOptions): MachineUpdater {
  const updater: Updater = { ...options, refused: new Map() }
  return { update: (machine, delta, ownerOf = () => '') => updateMachine(updater, machine, delta, ownerOf) }
}

async function updateMachine(
  updater: Updater,
  machine: Machine,
  delta: IdentityDelta,
  ownerOf: (id: string) => string,
): Promise<UpdateOutcome> {
  const refused = refusedOf(updater, machine)
  const update: Update = { updater, machine, refused, ids: new Set(), error: undefined }
  if (delta.add.length + delta.remove.length > 0) {
    const suspects = [...refused.keys()].filter((id) => delta.add.includes(id))
    const trusted = { add: delta.add.filter((id) => !refused.has(id)), remove: delta.remove }
    if (!(await applyWithoutRefused(update, trusted))) await applyByOwner(update, trusted, ownerOf)
    await applySuspects(update, suspects)
    // Part of it may be done nevertheless.
    if (update.ids === undefined) await readIds(update)
    for (const id of update.ids ?? []) refused.delete(id)
  }
  if (refused.size === 0) updater.refused.delete(machineKey(machine))
  const { ids, error } = update
  return { ids, error, errorOf: (id) => refused.get(id) ?? error }
}

/** More than a machine can have. */
const maxRefused = 500

function refusedOf({ refused }: Updater, machine: Machine): RefusedIds {
  const key = machineKey(machine)
  const ids = refused.get(key) ?? new Map<string, unknown>()
  refused.set(key, ids)
  for (const id of [...ids.keys()].slice(0, -maxRefused)) ids.delete(id)
  return ids
}

/** Retries without the identities that Azure refuses. False when the rest of the delta is not done. */
async function applyWithoutRefused(update: Update, delta: IdentityDelta): Promise<boolean> {
  const { maxRetry, retryMs, clock } = update.updater
  let rest = delta
  for (let retry = 0; sizeOf(rest) > 0; retry++) {
    if (retry > 0) await sleep(retryMs, { clock })
    try {
      update.ids = await apply(update, rest)
      return true
    } catch (error) {
      // A machine that is gone has nothing.
      update.ids = isAzureNotFound(error) ? new Set() : undefined
      if (update.ids !== undefined) return true
      update.error = error
      const named = refusedIds(error)
      for (const id of named) if (rest.add.includes(id)) update.refused.set(id, error)
      const before = sizeOf(rest)
      rest = withoutIds(rest, named)
      if (retry >= maxRetry || sizeOf(rest) === before) return sizeOf(rest) === 0
    }
  }
  return true
}

/** How often the identities of one owner are tried again in one cycle, each time with all its retries. */
const roundsPerOwner = 5

/** Each owner's identities in updates of their own, when more are refused than there are retries. */
async function applyByOwner(update: Update, delta: IdentityDelta, ownerOf: (id: string) => string): Promise<void> {
  if (!isRefusal(update.error)) return
  const parts: IdentityDelta[] = [...Map.groupBy(delta.add, ownerOf).values()].map((add) => ({ add, remove: [] }))
  if (delta.remove.length > 0) parts.unshift({ add: [], remove: delta.remove })
  for (const part of parts) {
    for (let round = 0; round < roundsPerOwner; round++) {
      if (await applyWithoutRefused(update, withoutIds(part, [...update.refused.keys()]))) break
      if (!isRefusal(update.error)) return
    }
  }
}

/** Updates of single identities in one cycle. Each takes Azure some time; the others have their turn in the next cycle. */
const suspectsPerCycle = 5

/** Those that were refused in an earlier cycle, each by itself, because they may have become acceptable in the meantime. */
async function applySuspects(update: Update, suspects: readonly string[]): Promise<void> {
  for (const id of suspects.slice(0, suspectsPerCycle)) {
    if (update.error !== undefined && !isRefusal(update.error)) return
    // Behind the others from now on, unless it succeeds.
    const refusal = update.refused.get(id)
    update.refused.delete(id)
    const done = await applyWithoutRefused(update, { add: [id], remove: [] })
    if (!done && !update.refused.has(id)) update.refused.set(id, refusal)
  }
  const [first] = update.refused.values()
  update.error ??= first
}

function isRefusal(error: unknown): boolean {
  return refusedIds(error).length > 0
}

async function apply({ updater, machine }: Update, delta: IdentityDelta): Promise<Set<string>> {
  const before = await readIdentity(updater, machine)
  if (before === undefined) return new Set()
  const ids = assignedIds(before)
  for (const identity of identityPatches(before, delta)) {
    await updater.metrics.azure(`${machine.kind}_update`, () =>
      updater.resourceManager.patch(machine.id, { identity }, { apiVersion }),
    )
    for (const [id, value] of Object.entries(identity.userAssignedIdentities)) {
      if (value === null) ids.delete(id)
      else ids.add(id)
    }
  }
  return ids
}

async function readIds(update: Update): Promise<void> {
  try {
    const identity = await readIdentity(update.updater, update.machine)
    update.ids = identity === undefined ? new Set() : assignedIds(identity)
  } catch {
    // The failure before this one is reported.
  }
}

interface MachineResource {
  identity?: MachineIdentity | null
  properties?: { provisioningState?: string }
}

const apiVersion = '2019-12-01'

/** Undefined when the machine is gone or being deleted. */
async function readIdentity(
  { resourceManager, metrics }: Updater,
  machine: Machine,
): Promise<MachineIdentity | undefined> {
  const found = await metrics.azure(`${machine.kind}_get`, () =>
    resourceManager.find<MachineResource>(machine.id, { apiVersion }),
  )
  if (found === undefined || found.properties?.provisioningState === 'Deleting') return undefined
  return found.identity ?? {}
}

const identityInText =
  /\/subscriptions\/[^'",\s/]+\/resourcegroups\/[^'",\s/]+\/providers\/[^'",\s/]+\/userassignedidentities\/[^'",\s/]+/gi

/** Ids of the identities that Azure names when it refuses an update because of them, in lower case. */
export function refusedIds(error: unknown): string[] {
  const named =
    error instanceof AzureRestError && /^(LinkedAuthorizationFailed|FailedIdentityOperation)$/.test(error.code)
  return named ? [...new Set(error.text.match(identityInText)?.map((id) => id.toLowerCase()))] : []
}

function withoutIds({ add, remove }: IdentityDelta, ids: readonly string[]): IdentityDelta {
  return { add: add.filter((id) => !ids.includes(id)), remove: remove.filter((id) => !ids.includes(id)) }
}

function sizeOf({ add, remove }: IdentityDelta): number {
  return add.length + remove.length
}
