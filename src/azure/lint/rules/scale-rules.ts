import { parseSyncInterval } from '#kubernetes/client'
import { formatDuration, listOf, parseDuration } from '#lib/formats'
import type { ClassManifest } from '../class-manifest.ts'
import type { ManifestSet } from '../manifest-set.ts'
import type { Manifest } from '../read-manifests.ts'
import type { RuleFinding, RuleTable } from '../rule.ts'
import type { Path } from '../yaml-document.ts'

/** Secret reads of one vault per second that Key Vault answers: 4,000 in 10 seconds. https://learn.microsoft.com/azure/key-vault/general/service-limits */
const vaultReadsPerSecond = 400
const share = 0.05
/** The driver's --rotation-poll-interval. */
const defaultIntervalMs = 120_000
/** The provider's --serve-stale-max. */
const defaultStaleMaxMs = 72 * 3_600_000
const shortIntervalMs = 30_000

export const scaleRules = {
  KL501: {
    title: 'many reads of one vault',
    severity: 'warning',
    why: 'Key Vault answers 4,000 reads in 10 seconds per vault, for all of its users. The estimate counts each object once per pod and interval; Keymount shares reads of pods on one node, so it is the upper bound.',
    right: 'fewer objects per class, or a longer syncInterval',
    check: manyReads,
  },
  KL502: {
    title: 'short interval',
    severity: 'info',
    why: 'Each check reads every object of the volume. An annotation (`keymount rotate`) brings a new value at once without a short interval.',
    right: 'syncInterval of 30s or more',
    check: shortInterval,
  },
  KL503: {
    title: 'kept values are too old',
    severity: 'warning',
    why: 'A node keeps what it has read for an outage, and reads it again after the interval: syncInterval, `--rotation-poll-interval`, or `--events-quiet-poll-interval` for a vault whose events are confirmed. With a shorter serveStaleFor the values are usually too old when the outage begins, and new pods do not start.',
    right:
      'serveStaleFor longer than the interval, such as twice as long, and --serve-stale-max too; or a shorter interval',
    check: staleTooShort,
  },
} as const satisfies RuleTable

function* manyReads({ pods, classNamed }: ManifestSet): Generator<RuleFinding> {
  const vaults = new Map<string, { perSecond: number; pods: number; largest: ClassManifest; most: number }>()
  for (const pod of pods)
    for (const { className } of pod.classVolumes) {
      const [found] = classNamed(className, pod.manifest)
      if (found?.spec === undefined) continue
      const seconds = intervalOf(found) / 1000
      for (const [vault, objects] of objectsByVault(found)) {
        const perSecond = (objects * pod.replicas) / seconds
        const sum = vaults.get(vault) ?? { perSecond: 0, pods: 0, largest: found, most: 0 }
        sum.perSecond += perSecond
        sum.pods += pod.replicas
        if (perSecond > sum.most) Object.assign(sum, { largest: found, most: perSecond })
        vaults.set(vault, sum)
      }
    }
  for (const [vault, { perSecond, pods: count, largest }] of vaults) {
    if (perSecond <= vaultReadsPerSecond * share) continue
    const percent = Math.round((perSecond / vaultReadsPerSecond) * 100)
    const message = `${count} pods read the vault "${vault}" about ${Math.round(perSecond)} times per second, ${percent} % of what it answers (400 per second)`
    yield { manifest: largest.manifest, path: ['spec', 'parameters', 'objects'], message }
  }
}

function intervalOf({ parameters }: ClassManifest, defaultMs = defaultIntervalMs): number {
  return parseSyncInterval(parameters.get('syncInterval') ?? '') ?? defaultMs
}

function objectsByVault({ spec }: ClassManifest): Map<string, number> {
  const vaults = new Map<string, number>()
  for (const { vaultName } of spec?.objects ?? []) {
    const name = vaultName ?? spec?.values.keyvaultName ?? ''
    vaults.set(name, (vaults.get(name) ?? 0) + 1)
  }
  return vaults
}

function* shortInterval({ classes }: ManifestSet): Generator<RuleFinding> {
  for (const one of classes) {
    const text = one.parameters.get('syncInterval') ?? ''
    if (parseSyncInterval(text) === undefined || intervalOf(one) >= shortIntervalMs) continue
    yield { manifest: one.manifest, path: ['spec', 'parameters', 'syncInterval'], message: `syncInterval is ${text}` }
  }
}

function* staleTooShort(set: ManifestSet): Generator<RuleFinding> {
  const pollFlag = durationFlag(set, 'rotation-poll-interval')
  const staleFlag = durationFlag(set, 'serve-stale-for')
  const maxMs = durationFlag(set, 'serve-stale-max')?.ms ?? defaultStaleMaxMs
  const pollMs = pollFlag?.ms ?? defaultIntervalMs
  for (const one of set.classes) {
    const staleMs = Math.min(one.spec?.values.serveStaleFor ?? 0, maxMs)
    if (staleMs <= 0) continue
    const interval = longestInterval(set, one, pollMs)
    if (staleMs >= interval.ms) continue
    const capped = staleMs === maxMs ? ` (at most --serve-stale-max, ${formatDuration(maxMs)})` : ''
    const message = `serveStaleFor is ${one.parameters.get('serveStaleFor')}${capped}, and the values are read every ${formatDuration(interval.ms)} (${interval.of})`
    yield { manifest: one.manifest, path: ['spec', 'parameters', 'serveStaleFor'], message }
  }
  if (staleFlag === undefined || staleFlag.ms <= 0 || staleFlag.ms >= pollMs) return
  const message = `--serve-stale-for is ${formatDuration(staleFlag.ms)}, and the values are read every ${formatDuration(pollMs)} (--rotation-poll-interval)`
  yield { manifest: staleFlag.manifest, path: staleFlag.path, message }
}

/** The longest time between two reads of the class, and which setting it is. */
function longestInterval(set: ManifestSet, one: ClassManifest, pollMs: number): { ms: number; of: string } {
  const ms = intervalOf(one, pollMs)
  const own = {
    ms,
    of: parseSyncInterval(one.parameters.get('syncInterval') ?? '') ? 'syncInterval' : '--rotation-poll-interval',
  }
  const quiet = durationFlag(set, 'events-quiet-poll-interval')
  if (quiet === undefined || quiet.ms <= ms) return own
  const confirmed = confirmedVaults(set)
  const areConfirmed = [...objectsByVault(one).keys()].every((vault) => confirmed.has(vault.toLowerCase()))
  return areConfirmed ? { ms: quiet.ms, of: '--events-quiet-poll-interval' } : own
}

function confirmedVaults(set: ManifestSet): Set<string> {
  const names = [...flagValues(set, 'events-vaults'), ...flagValues(set, 'events-watch-vaults')]
  return new Set(names.flatMap(({ text }) => text.split(',').map((word) => (word.split('=')[0] ?? '').toLowerCase())))
}

interface FlagValue {
  manifest: Manifest
  path: Path
  text: string
}

/** The programs of Keymount that have a flag: others may have one of the same name. */
const programsOf = {
  'rotation-poll-interval': ['driver', 'node'],
  'serve-stale-for': ['provider', 'node'],
  'serve-stale-max': ['provider', 'node'],
  'events-quiet-poll-interval': ['operator'],
  'events-vaults': ['operator'],
  'events-watch-vaults': ['operator'],
} as const satisfies Readonly<Record<string, readonly string[]>>

type KnownFlag = keyof typeof programsOf

/** A duration that a daemon of Keymount in the set is started with: of the last one, where there are several. */
function durationFlag(set: ManifestSet, flag: KnownFlag): (FlagValue & { ms: number }) | undefined {
  return [...flagValues(set, flag)]
    .flatMap((found) => {
      const ms = parseDuration(found.text)
      return ms === undefined ? [] : [{ ...found, ms }]
    })
    .at(-1)
}

/** What `--FLAG=VALUE` gives, in the arguments of the containers that run a program with that flag. */
function* flagValues({ pods }: ManifestSet, flag: KnownFlag): Generator<FlagValue> {
  const start = `--${flag}=`
  const programs: readonly unknown[] = programsOf[flag]
  for (const { manifest, containers } of pods)
    for (const { path, value } of containers) {
      const args = listOf(value.args) ?? []
      if (!programs.includes(args[0])) continue
      for (const [index, word] of args.entries()) {
        if (typeof word !== 'string' || !word.startsWith(start)) continue
        yield { manifest, path: [...path, 'args', index], text: word.slice(start.length) }
      }
    }
}
