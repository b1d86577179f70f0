import type { ObjectType } from '#azure/class'
import { type Running, runUntilStopped, sleep } from '#lib'
import { forEachLimited } from '#lib/async'
import { gatherObjects, type ObjectFacts, type WantedObject } from '../doctor/azure-facts.ts'
import type { AzureSession } from '../identity/azure-session.ts'
import { cleanName } from '../status/clean-text.ts'
import type { ClusterObjects } from '../status/cluster-objects.ts'
import type { FollowedObjects } from '../status/follow-objects.ts'
import type { VaultMetadata } from '../status/object-rows.ts'

export interface VaultWatch extends Running {
  known(): ReadonlyMap<string, VaultMetadata>
}

const everyMs = 300_000
/** The list of the classes may take a moment. */
const firstMs = 2000
const maxObjects = 1000
const vaultsAtOnce = 4
/** That many are asked for by one call. */
const batch = 100

/** Reads what the vaults of the classes have, without values, every five minutes. */
export function watchVaults(azure: AzureSession, { objects, touch }: FollowedObjects): VaultWatch {
  const known = new Map<string, VaultMetadata>()
  const run = async (signal: AbortSignal) => {
    await sleep(firstMs, { signal })
    while (!signal.aborted) {
      const vaults = objectsOfVaults(objects)
      await forEachLimited([...vaults.values()], vaultsAtOnce, async (wanted) => {
        for (const [key, metadata] of await readVault(azure, wanted, signal)) known.set(key, metadata)
        touch()
      })
      await sleep(vaults.size === 0 ? firstMs : everyMs, { signal })
    }
  }
  const running = runUntilStopped((signal) => run(signal).catch(() => undefined))
  return { known: () => known, stop: running.stop }
}

/** The objects that classes name, by their vault: one that does not answer does not hold up the others. */
function objectsOfVaults({ classes }: ClusterObjects): Map<string, WantedObject[]> {
  const wanted = new Map(
    [...classes.values()].flatMap(({ class: className, vaultOf }) =>
      [...vaultOf].flatMap(([id, vaultName]) => {
        const [type = '', name = ''] = id.split('/')
        const object = { type: type as ObjectType, name, version: '', optional: false }
        return name === '*' ? [] : [[`${vaultName}/${id}`, { vaultName, className, object }] as const]
      }),
    ),
  )
  return Map.groupBy([...wanted.values()].slice(0, maxObjects), ({ vaultName }) => vaultName)
}

async function readVault(
  azure: AzureSession,
  wanted: readonly WantedObject[],
  signal: AbortSignal,
): Promise<Map<string, VaultMetadata>> {
  const found = new Map<string, VaultMetadata>()
  for (let at = 0; at < wanted.length && !signal.aborted; at += batch) {
    for (const facts of await gatherObjects(azure, wanted.slice(at, at + batch))) {
      const newest = newestOf(facts)
      if (newest !== undefined) found.set(`${facts.vaultName}/${facts.object.type}/${facts.object.name}`, newest)
    }
  }
  return found
}

/** The version that a read without one gives: the newest that is enabled. */
function newestOf({ versions }: ObjectFacts): VaultMetadata | undefined {
  if ('why' in versions) return undefined
  const enabled = versions.value.filter(({ attributes }) => attributes?.enabled !== false)
  const [newest] = enabled.toSorted((a, b) => (b.attributes?.created ?? 0) - (a.attributes?.created ?? 0))
  if (newest === undefined) return undefined
  const { id = '', attributes = {} } = newest
  const time = (seconds: number | undefined) => (seconds === undefined ? null : new Date(seconds * 1000).toISOString())
  return { newest: cleanName(id.split('/').at(-1)), expires: time(attributes.exp), created: time(attributes.created) }
}
