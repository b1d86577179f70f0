import { parseSyncInterval } from '#kubernetes/client'
import type { ClassManifest } from '../class-manifest.ts'
import type { ManifestSet } from '../manifest-set.ts'
import type { RuleFinding, RuleTable } from '../rule.ts'

/** Secret reads of one vault per second that Key Vault answers: 4,000 in 10 seconds. https://learn.microsoft.com/azure/key-vault/general/service-limits */
const vaultReadsPerSecond = 400
const share = 0.05
/** The driver's --rotation-poll-interval. */
const defaultIntervalMs = 120_000
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
} as const satisfies RuleTable

function intervalOf({ parameters }: ClassManifest): number {
  return parseSyncInterval(parameters.get('syncInterval') ?? '') ?? defaultIntervalMs
}

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
