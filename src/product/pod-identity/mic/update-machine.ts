import { AzureRestError, type AzureService, isAzureNotFound } from '#azure/rest'
import { type Clock, sleep } from '#lib'
import type { Machine } from './machine.ts'
import { assignedIds, type IdentityDelta, identityPatches, type MachineIdentity } from './machine-identity.ts'
import type { MicMetrics } from './mic-metrics.ts'

export interface MachineUpdater {
  /** Ids of the identities that the machine has, in lower case. Empty when it is gone. Rejects when Azure does not tell. */
  read(machine: Machine): Promise<Set<string>>
  /** Never rejects. */
  update(machine: Machine, delta: IdentityDelta): Promise<UpdateOutcome>
}

export interface UpdateOutcome {
  /** What the machine has now, in lower case; undefined when Azure did not tell. */
  ids: Set<string> | undefined
  /** Why something of the delta is not done. */
  error?: unknown
}

export interface MachineUpdaterOptions {
  resourceManager: AzureService
  metrics: MicMetrics
  clock: Clock
  /** How often an update is tried again without the identities that Azure refuses. */
  maxRetry: number
  retryMs: number
}

interface MachineResource {
  identity?: MachineIdentity | null
  properties?: { provisioningState?: string }
}

const apiVersion = '2019-12-01'

/** Reads and changes the identities of machines in Resource Manager. https://learn.microsoft.com/rest/api/compute/virtual-machine-scale-sets/update */
export function createMachineUpdater(options: MachineUpdaterOptions): MachineUpdater {
  const { resourceManager, metrics, clock, maxRetry, retryMs } = options

  /** Undefined when the machine is gone or going. */
  async function get(machine: Machine): Promise<MachineIdentity | undefined> {
    const found = await metrics.azure(`${machine.kind}_get`, () =>
      resourceManager.find<MachineResource>(machine.id, { apiVersion }),
    )
    if (found === undefined || found.properties?.provisioningState === 'Deleting') return undefined
    return found.identity ?? {}
  }

  async function apply(machine: Machine, delta: IdentityDelta): Promise<Set<string>> {
    const before = await get(machine)
    if (before === undefined) return new Set()
    const ids = assignedIds(before)
    for (const identity of identityPatches(before, delta)) {
      await metrics.azure(`${machine.kind}_update`, () =>
        resourceManager.patch(machine.id, { identity }, { apiVersion }),
      )
      for (const [id, value] of Object.entries(identity.userAssignedIdentities)) {
        if (value === null) ids.delete(id)
        else ids.add(id)
      }
    }
    return ids
  }

  /** Azure takes a PATCH as a whole or not at all, and names the identities that it does not like. */
  async function applyWithoutRefused(machine: Machine, delta: IdentityDelta, retries: number): Promise<UpdateOutcome> {
    try {
      return { ids: await apply(machine, delta) }
    } catch (error) {
      if (isAzureNotFound(error)) return { ids: new Set() }
      const rest = withoutIds(delta, refusedIds(error))
      if (retries <= 0 || rest === undefined) return { ids: undefined, error }
      await sleep(retryMs, { clock })
      const outcome = await applyWithoutRefused(machine, rest, retries - 1)
      return { ids: outcome.ids, error }
    }
  }

  return {
    read: async (machine) => assignedIds((await get(machine)) ?? {}),
    async update(machine, delta) {
      if (delta.add.length + delta.remove.length === 0) return { ids: new Set() }
      const outcome = await applyWithoutRefused(machine, delta, maxRetry)
      if (outcome.ids !== undefined) return outcome
      // Part of it may be done all the same.
      const before = await get(machine).catch(() => undefined)
      return { ids: before === undefined ? undefined : assignedIds(before), error: outcome.error }
    },
  }
}

const identityInText = /\/subscriptions\/[^'",\s]+\/userassignedidentities\/[^'",\s]+/gi

/** Ids of the identities that Azure names when it refuses an update because of them, in lower case. */
export function refusedIds(error: unknown): string[] {
  const named =
    error instanceof AzureRestError && /^(LinkedAuthorizationFailed|FailedIdentityOperation)$/.test(error.code)
  return named ? [...new Set(error.text.match(identityInText)?.map((id) => id.toLowerCase()))] : []
}

/** Undefined when nothing of it is named. */
function withoutIds({ add, remove }: IdentityDelta, refused: readonly string[]): IdentityDelta | undefined {
  const rest = { add: add.filter((id) => !refused.includes(id)), remove: remove.filter((id) => !refused.includes(id)) }
  return rest.add.length + rest.remove.length === add.length + remove.length ? undefined : rest
}
