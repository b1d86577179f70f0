import type { IdentityKeys, Proof } from '#azure/identity'
import { type Vault, vaultAddress } from '#azure/keyvault'
import { heldTokenText, type StaleContent } from '#kubernetes/provider-protocol'
import type { Clock, Log } from '#lib'
import type { LastGood } from './last-good.ts'
import type { MountSpec } from './mount-spec.ts'
import { prepareVault } from './prepare-vault.ts'
import type { ProviderMetrics } from './provider-metrics.ts'
import type { ReadCache } from './read-cache.ts'
import { readInOrder } from './read-in-order.ts'
import { errorCodeOf } from './read-objects.ts'
import { podOf, type Volume } from './resolve-volume.ts'
import { createMemoryReader, createVaultReader, type VaultReader, type VaultReaderOptions } from './vault-reader.ts'
import type { VaultTurns } from './vault-turns.ts'

/** What the reads of all volumes of a node share. */
export interface SourcesOptions {
  identityKeys: IdentityKeys
  cache: ReadCache
  lastGood: LastGood
  /** How old a value may be that starts a pod in an outage, in milliseconds: of classes without serveStaleFor, and at most. */
  stale: { defaultMs: number; maxMs: number }
  turns: VaultTurns
  tickTurns: VaultTurns
  metrics: ProviderMetrics
  log: Log
  clock: Clock
}

export interface ReadPurpose {
  /** Whether the volume has no content yet. A volume with content keeps it when the read fails. */
  isNew: boolean
  /** Whether a pod or a user waits; the tick of a rotation is not urgent. */
  isUrgent: boolean
  freshness: VaultReaderOptions['freshness']
}

/** Where what a volume needs comes from: its vault, the fallback vault, what this node holds. */
export interface VolumeSources {
  /** @param vaultName undefined for the vault of the class; `label` is for the log. */
  read<T>(
    from: { vaultName: string | undefined; label: string },
    readBy: (reader: VaultReader) => (vault: Vault) => Promise<T>,
  ): Promise<T>
  outcome(): SourcesOutcome
}

/** After the reads so far. */
export interface SourcesOutcome {
  /** About the values that did not come from their own vault just now; undefined for none. */
  stale: StaleContent | undefined
  /** The token that the next reads need no sign-in for, as the driver reads it. */
  heldToken: string
}

export async function openSources(
  options: SourcesOptions,
  volume: Volume,
  purpose: ReadPurpose,
): Promise<VolumeSources> {
  const { spec, access, cloud, credential } = volume
  const { lastGood, metrics, clock } = options
  const { key: identityKey, proof } = await options.identityKeys(credential)
  const maxAgeMs = proof === 'none' ? 0 : staleMsOf(options, spec)
  const reader = createVaultReader({
    ...access,
    cache: options.cache,
    lastGood,
    turns: options.turns,
    tickTurns: purpose.isUrgent ? undefined : options.tickTurns,
    credential,
    identityKey,
    owner: spec.pod.namespace,
    cloud,
    keepMs: maxAgeMs,
    freshness: purpose.freshness,
    onOutcome: metrics.cache,
    onRead: (type, name, error, durationMs) =>
      metrics.vaultRead({ type, name }, error === undefined ? '' : errorCodeOf(error), durationMs),
  })
  const used: UsedSources = { oldest: undefined, reasons: {} }
  const onFound = (asked: number) => noteAge(used, asked)
  const memory = createMemoryReader({ lastGood, cloud, identityKey, maxAgeMs, onFound })
  const sources: Sources = { ...options, volume, isNew: purpose.isNew, proof, maxAgeMs, reader, memory, used }
  const token = { cloud, resource: cloud.vaultResource }
  if (purpose.isNew && !access.tokens.isHeld(identityKey, token)) {
    clock.after(signInSentMs, () => prepareVault(access, spec, (name) => vaultAddress(name, cloud.vaultSuffix)))
  }
  return {
    read: (from, readBy) => readFrom(sources, from, readBy),
    outcome: () => ({
      stale: staleContentOf(used, clock),
      heldToken: heldTokenText(identityKey, access.tokens.heldMs(identityKey, token)),
    }),
  }
}

function staleMsOf({ stale: { defaultMs, maxMs } }: SourcesOptions, { values }: MountSpec): number {
  return Math.min(values.serveStaleFor ?? defaultMs, maxMs)
}

/** By then the sign-in was sent, which would otherwise wait for the CPU that these connections take. */
const signInSentMs = 5

interface Sources extends Pick<SourcesOptions, 'metrics' | 'log' | 'clock'> {
  volume: Volume
  isNew: boolean
  proof: Proof
  maxAgeMs: number
  reader: VaultReader
  memory: VaultReader
  used: UsedSources
}

/** What has answered instead of a vault. */
interface UsedSources {
  /** When the oldest of these answers was read, by `clock.elapsed()`. */
  oldest: number | undefined
  reasons: { memory?: string; fallback?: string }
}

function noteAge(used: UsedSources, asked: number): void {
  used.oldest = Math.min(used.oldest ?? asked, asked)
}

function readFrom<T>(
  { volume: { spec, cloud }, isNew, proof, maxAgeMs, reader, memory, used, metrics, log, clock }: Sources,
  { vaultName, label }: { vaultName: string | undefined; label: string },
  readBy: (reader: VaultReader) => (vault: Vault) => Promise<T>,
): Promise<T> {
  const { keyvaultName, fallbackKeyvaultName } = spec.values
  const hasFallback = isNew && vaultName === undefined && fallbackKeyvaultName !== ''
  const vault = vaultAddress(vaultName ?? keyvaultName, cloud.vaultSuffix)
  return readInOrder({
    vault,
    fallback: hasFallback ? vaultAddress(fallbackKeyvaultName, cloud.vaultSuffix) : undefined,
    read: readBy(reader),
    recall: isNew && maxAgeMs > 0 ? readBy(memory) : undefined,
    needsSignIn: proof === 'sign-in',
    onOther(source, code) {
      metrics.cache(source === 'memory' ? 'stale' : 'fallback')
      if (source === 'memory') used.reasons.memory = `vault ${vault.name} cannot answer [${code}]`
      else {
        // So that the driver reads again soon: a volume goes back to its own vault as one from memory does.
        noteAge(used, clock.elapsed())
        used.reasons.fallback = `fallback vault "${fallbackKeyvaultName}" answered for vault "${vault.name}", which cannot answer [${code}]`
      }
      log.warn({ pod: podOf(spec), object: label, source, code }, 'the vault cannot answer')
    },
    clock,
  })
}

function staleContentOf({ oldest, reasons }: UsedSources, clock: Clock): StaleContent | undefined {
  if (oldest === undefined) return undefined
  const reason = [reasons.fallback, reasons.memory].filter((one) => one !== undefined).join('; ')
  return { since: clock.now() - (clock.elapsed() - oldest), reason }
}
