import { podManifest } from '#azure/lint'
import { listOf, stringOf, valueAt } from '#lib/formats'
import { editedDraft } from '../draft.ts'
import { convertValues, isUpstreamValues, valuesRules } from '../helm-values/upstream-values.ts'
import type { Input } from '../input.ts'
import type { MigrateRules } from '../rule.ts'
import { groupOf, kindsOf, type Source } from '../source.ts'
import type { Work } from '../work.ts'

const upstreamRules = {
  KM601: {
    title: 'Secret could do without a pod',
    severity: 'info',
    why: 'No pod of the input that mounts the class reads the Secret as environment variables, so the Secret is for something else, and exists only while such a pod runs.',
    right: 'a SecretSync of this name, which needs no pod (docs/secret-sync.md)',
  },
  ...valuesRules,
} as const satisfies MigrateRules

/** Secrets Store CSI driver with the Azure provider, and the AKS add-on: Keymount reads the same classes and pods. */
export const upstreamSource: Source = {
  name: 'upstream',
  title: 'Secrets Store CSI driver and its Azure provider',
  rules: upstreamRules,
  kinds: kindsOf('secrets-store.csi.x-k8s.io', ['SecretProviderClass']),
  owns: (manifest) =>
    isUpstreamValues(manifest) ||
    (groupOf(manifest) === 'secrets-store.csi.x-k8s.io'
      ? manifest.kind === 'SecretProviderClass' && valueAt(manifest.value, 'spec', 'provider') === 'azure'
      : (podManifest(manifest)?.classVolumes.length ?? 0) > 0),
  notes: [
    'Classes and pods stay as they are. How the charts are replaced under running pods: docs/migrate.md.',
    'A values file of an upstream chart works unchanged with Keymount’s chart of the same name (`keymount charts serve`). What this command writes is for charts/keymount; docs/migrate.md has the table of the values.',
  ],
  convert(work, input) {
    if (isUpstreamValues(work.manifest)) return convertValues(work)
    if (work.manifest.kind === 'SecretProviderClass') suggestSyncs(work, input)
    return editedDraft(work, [])
  },
}

function suggestSyncs(work: Work, input: Input): void {
  const used = environmentByClass(input).get(work.manifest.name) ?? new Set()
  for (const [index, one] of work.listAt('spec', 'secretObjects').entries()) {
    const name = stringOf(valueAt(one, 'secretName')) ?? ''
    if (name !== '' && !used.has(name))
      work.add('KM601', `Secret "${name}" is of secretObjects, and no pod reads it as environment`, {
        path: ['spec', 'secretObjects', index, 'secretName'],
      })
  }
}

const known = new WeakMap<Input, Map<string, Set<string>>>()

/** By the name of a class: the Secrets that pods with a volume of it read as environment variables. */
function environmentByClass(input: Input): ReadonlyMap<string, Set<string>> {
  const before = known.get(input)
  if (before !== undefined) return before
  const byClass = new Map<string, Set<string>>()
  for (const pod of input.manifests.flatMap((one) => podManifest(one) ?? [])) {
    const names = pod.containers.flatMap(({ value }) => [
      ...(listOf(value.env) ?? []).map((one) => valueAt(one, 'valueFrom', 'secretKeyRef', 'name')),
      ...(listOf(value.envFrom) ?? []).map((one) => valueAt(one, 'secretRef', 'name')),
    ])
    for (const { className } of pod.classVolumes) {
      const found = byClass.get(className) ?? new Set()
      for (const name of names) if (typeof name === 'string') found.add(name)
      byClass.set(className, found)
    }
  }
  known.set(input, byClass)
  return byClass
}
