import type { ClassFacts, ClusterObjects } from './cluster-objects.ts'
import type { ClassRow, Tone, VolumeRow } from './rows.ts'

const tones: Readonly<Record<ClassRow['state'], Tone>> = {
  ok: 'good',
  invalid: 'bad',
  failing: 'bad',
  warnings: 'warn',
  unused: 'quiet',
}

export function classRows({ classes, syncs }: ClusterObjects, volumes: readonly VolumeRow[]): ClassRow[] {
  const byClass = Map.groupBy(volumes, (row) => `${row.namespace}/${row.class}`)
  const bySync = new Map<string, string[]>()
  for (const { namespace, name, class: of } of syncs.values()) {
    bySync.set(`${namespace}/${of}`, [...(bySync.get(`${namespace}/${of}`) ?? []), name])
  }
  return [...classes].map(([key, facts]) => rowOf(key, facts, byClass.get(key) ?? [], bySync.get(key) ?? []))
}

function rowOf(key: string, facts: ClassFacts, volumes: readonly VolumeRow[], syncs: readonly string[]): ClassRow {
  const { namespace, class: name, provider, vaults, identity, interval, problems } = facts
  const failing = volumes.filter(({ tone }) => tone === 'bad').length
  const secrets = [...facts.secrets.map((one) => one.name), ...syncs]
  const state = stateOf(facts, failing, volumes.length > 0 || syncs.length > 0)
  return {
    key,
    state,
    tone: tones[state],
    namespace,
    class: name,
    provider,
    vaults,
    pods: volumes.length,
    failing,
    identity,
    interval,
    secrets,
    problems,
  }
}

function stateOf({ problems, failures }: ClassFacts, failing: number, isUsed: boolean): ClassRow['state'] {
  if (failures.some(({ code }) => code === 'parameters-invalid')) return 'invalid'
  if (failing > 0) return 'failing'
  if (failures.length > 0 || problems.some(({ severity }) => severity !== 'info')) return 'warnings'
  return isUsed ? 'ok' : 'unused'
}
