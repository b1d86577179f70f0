import { type Collection, type ListedObject, objectsPerPage, type Vault, type VaultClient } from '#azure/keyvault'
import { type Clock, CodedError, type Log, sleep, systemClock } from '#lib'
import { formatDuration } from '#lib/formats'
import type { EventSource, VaultEvent } from './vault-event.ts'

export interface WatchVaultOptions {
  vault: Vault
  intervalMs: number
  client: Pick<VaultClient, 'listObjects'>
  auth: Parameters<VaultClient['listObjects']>[2]
  log: Log
  clock?: Clock | undefined
}

/** The metadata watch costs more of the vault's limit than it may. */
export class WatchTooExpensive extends CodedError<'watch-too-expensive'> {}

/** An object as the last list had it. */
interface SeenObject {
  enabled: boolean
  /** Seconds since the Unix epoch. */
  updated: number
  /** It was changed within the second of the list, and may have been changed again in the same one. */
  mayChangeUnseen: boolean
}

interface Watch extends WatchVaultOptions {
  clock: Clock
  host: string
  /** By collection and name. Undefined before the first list. */
  seen: ReadonlyMap<string, SeenObject> | undefined
  /** By `clock.elapsed()`. */
  nextAt: number
  /** Requests of the last list. */
  requests: number
}

const kinds: Readonly<Record<Collection, VaultEvent['kind']>> = {
  secrets: 'secret',
  keys: 'key',
  certificates: 'certificate',
}

/** Requests that a vault takes from all its clients. https://learn.microsoft.com/azure/key-vault/general/service-limits */
const vaultLimit = { requests: 4000, ms: 10_000 }
const largestShare = 0.05
/** Until the objects of a vault that is too large are counted again. */
const countAgainMs = 10 * 60_000
/** What changed so shortly before the first list counts as changed: an operator before this one may have missed it. */
const beforeFirstMs = 10 * 60_000
/** Clocks of vault and operator differ by less. */
const clockDifferenceMs = 5000

/** Events of a vault from its lists of secrets, keys and certificates, which have no values: what differs from the list before. */
export function watchVault(options: WatchVaultOptions): EventSource {
  const { clock = systemClock, vault } = options
  const host = new URL(vault.origin).host
  const watch: Watch = { ...options, clock, host, seen: undefined, nextAt: 0, requests: 0 }
  return {
    name: `vault ${vault.name}`,
    // An operator before this one may have listed just before it ended.
    coverage: { vaults: [host], keepsMs: beforeFirstMs / 2, lost: () => 0 },
    async next(signal) {
      await sleep(Math.max(watch.nextAt - clock.elapsed(), 0), { clock, signal })
      return list(watch, signal)
    },
    done: async () => {},
  }
}

async function list(watch: Watch, signal: AbortSignal): Promise<readonly VaultEvent[]> {
  const { client, vault, auth, clock, intervalMs } = watch
  watch.nextAt = clock.elapsed() + intervalMs
  const found = new Map<string, ListedObject & { collection: Collection }>()
  let requests = 0
  for (const collection of Object.keys(kinds) as Collection[]) {
    const objects = await client.listObjects(vault, collection, auth)
    signal.throwIfAborted()
    requests += Math.max(Math.ceil(objects.length / objectsPerPage), 1)
    for (const object of objects) found.set(`${collection}/${object.name}`, { ...object, collection })
  }
  checkCost(watch, requests)
  return compare(watch, found)
}

/** Share of the limit of a vault that lists of so many requests take, from 0 to 1. */
export function shareOfLimit(requests: number, intervalMs: number): number {
  return requests / intervalMs / (vaultLimit.requests / vaultLimit.ms)
}

function checkCost(watch: Watch, requests: number): void {
  const { intervalMs, vault, log, clock } = watch
  const share = shareOfLimit(requests, intervalMs)
  const percent = `${(share * 100).toFixed(2)} %`
  if (share > largestShare) {
    watch.nextAt = clock.elapsed() + countAgainMs
    const seconds = Math.ceil((requests * vaultLimit.ms) / (vaultLimit.requests * largestShare) / 1000)
    throw new WatchTooExpensive(
      'watch-too-expensive',
      `vault ${vault.name}: lists of ${requests} requests every ${formatDuration(intervalMs)} take ${percent} of the vault's limit; expected at most ${largestShare * 100} %: an interval of ${seconds}s or more`,
    )
  }
  if (watch.requests !== requests)
    log.info({ vault: vault.name, requests, share: percent }, "the watch takes this share of the vault's limit")
  watch.requests = requests
}

function compare(watch: Watch, found: ReadonlyMap<string, ListedObject & { collection: Collection }>): VaultEvent[] {
  const { host, seen, clock } = watch
  const now = clock.now()
  const events: VaultEvent[] = []
  const report = (key: string, collection: Collection, at: number, what: string) => {
    const name = key.slice(collection.length + 1)
    const id = `${host}/${key}/${what}/${Math.round(now)}`.slice(0, 250)
    events.push({ id, vaultHost: host, kind: kinds[collection], name, version: '', at })
  }
  const next = new Map<string, SeenObject>()
  for (const [key, { collection, enabled, updated }] of found) {
    const before = seen?.get(key)
    const age = now - updated * 1000
    next.set(key, { enabled, updated, mayChangeUnseen: age < 1000 + clockDifferenceMs })
    const isNew = before === undefined && (seen !== undefined || age < beforeFirstMs)
    const isChanged = before !== undefined && (before.updated !== updated || before.enabled !== enabled)
    if (isNew || isChanged || before?.mayChangeUnseen === true) report(key, collection, updated * 1000, 'changed')
  }
  for (const key of seen?.keys() ?? [])
    if (!found.has(key)) report(key, key.slice(0, key.indexOf('/')) as Collection, now, 'deleted')
  watch.seen = next
  return events
}
