import { randomBytes } from 'node:crypto'
import { type AzureService, isAzureNotFound } from '#azure/rest'
import { sleep } from '#lib'
import type { Fence } from './guard.ts'

/** Marks the resource groups of runs; the value is the time after which any later run removes the group. */
export const expiryTag = 'keymount-conformance-expires'
const prefix = 'keymount-conformance-'
const lifetimeMs = 2 * 60 * 60_000

const groupApi = { apiVersion: '2021-04-01' }
const vaultApi = { apiVersion: '2023-07-01' }

interface ResourceGroup {
  name: string
  tags?: Record<string, string>
}

interface DeletedVault {
  name: string
  properties: { vaultId: string; location: string }
}

export interface Names {
  group: string
  vault: string
}

/** Names of one run. A vault's is unique in all of Azure. */
export function namesOfRun(now: Date): Names {
  const unique = randomBytes(6).toString('hex')
  return { group: `${prefix}${now.toISOString().slice(0, 10)}-${unique}`, vault: `kmc-${unique}` }
}

export async function createGroup(
  arm: AzureService,
  { subscriptionId, group, location, now }: { subscriptionId: string; group: string; location: string; now: Date },
): Promise<void> {
  const expires = new Date(now.getTime() + lifetimeMs).toISOString()
  const body = { location, tags: { [expiryTag]: expires } }
  await arm.put(`/subscriptions/${subscriptionId}/resourceGroups/${group}`, body, groupApi)
}

/** The groups of earlier runs whose time is over: by name and by tag, never by one of them alone. */
export async function leftovers(arm: AzureService, subscriptionId: string, now: Date): Promise<string[]> {
  const groups = await arm.list<ResourceGroup>(`/subscriptions/${subscriptionId}/resourcegroups`, groupApi)
  return groups
    .filter(({ name, tags = {} }) => name.startsWith(prefix) && isOver(tags[expiryTag], now))
    .map(({ name }) => name)
}

function isOver(expires: string | undefined, now: Date): boolean {
  const time = expires === undefined ? Number.NaN : Date.parse(expires)
  return time < now.getTime()
}

/**
 * Deletes a group, waits until it is gone, and purges the vaults that were in it, so that nothing of it is left.
 * The group must be in the fence.
 */
export async function removeGroup(arm: AzureService, group: string, fence: Fence): Promise<void> {
  const path = `/subscriptions/${fence.subscriptionId}/resourceGroups/${group}`
  await arm.delete(path, groupApi)
  for (let asked = 0; await exists(arm, path); asked++) {
    if (asked >= 200) throw new Error(`${group} is still being deleted`)
    await sleep(asked < 10 ? 200 : 5000)
  }
  for (const { name, properties } of await deletedVaults(arm, fence.subscriptionId)) {
    if (!properties.vaultId.toLowerCase().startsWith(`${path.toLowerCase()}/`)) continue
    fence.vaults.add(name)
    const purge = `/subscriptions/${fence.subscriptionId}/providers/Microsoft.KeyVault/locations/${properties.location}/deletedVaults/${name}/purge`
    await arm.post(purge, undefined, vaultApi)
  }
}

function deletedVaults(arm: AzureService, subscriptionId: string): Promise<DeletedVault[]> {
  return arm.list(`/subscriptions/${subscriptionId}/providers/Microsoft.KeyVault/deletedVaults`, vaultApi)
}

async function exists(arm: AzureService, path: string): Promise<boolean> {
  try {
    await arm.get(path, groupApi)
    return true
  } catch (error) {
    if (isAzureNotFound(error)) return false
    throw error
  }
}
