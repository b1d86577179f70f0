import { statusAnnotations } from '#kubernetes/client'
import { cleanName } from './clean-text.ts'
import type { ClassFacts, ClusterObjects } from './cluster-objects.ts'
import type { ClassRow, Tone, VolumeRow } from './rows.ts'

const tones: Readonly<Record<ClassRow['state'], Tone>> = {
  ok: 'good',
  invalid: 'bad',
  failing: 'bad',
  warnings: 'warn',
  unused: 'quiet',
}

export function classRows(objects: ClusterObjects, volumes: readonly VolumeRow[]): ClassRow[] {
  const { classes, syncs } = objects
  const ofDriver = intervalOfDriver(objects)
  const quiet = quietIntervals(objects)
  const byClass = Map.groupBy(volumes, (row) => `${row.namespace}/${row.class}`)
  const bySync = new Map<string, string[]>()
  for (const { namespace, name, class: of } of syncs.values()) {
    bySync.set(`${namespace}/${of}`, [...(bySync.get(`${namespace}/${of}`) ?? []), name])
  }
  return [...classes].map(([key, facts]) => {
    const interval = ofDriver === 'off' ? ofDriver : (quiet.get(key) ?? facts.interval ?? ofDriver)
    return rowOf(key, { ...facts, interval }, byClass.get(key) ?? [], bySync.get(key) ?? [])
  })
}

const defaultInterval = '2m'

/** From the arguments of a driver: its interval, or that it does not rotate. Null where no pod of a driver is known. */
function intervalOfDriver({ productPods }: ClusterObjects): string | null {
  const flag = (args: readonly string[], name: string) =>
    args.find((arg) => arg.startsWith(`--${name}=`))?.slice(name.length + 3)
  for (const { spec } of productPods.values())
    for (const { args = [] } of spec.containers) {
      const rotates = args.includes('--enable-secret-rotation') ? 'true' : flag(args, 'enable-secret-rotation')
      if (rotates !== undefined)
        return rotates === 'true' ? cleanName(flag(args, 'rotation-poll-interval') ?? defaultInterval) : 'off'
    }
  return null
}

/** By class: the longer interval at which its volumes are polled while events are confirmed. */
function quietIntervals({ mounts }: ClusterObjects): Map<string, string> {
  const intervals = new Map<string, string>()
  for (const { object } of mounts.values()) {
    const interval = object.metadata.annotations?.[statusAnnotations.pollInterval]
    const { secretProviderClassName: name = '' } = object.status ?? {}
    if (interval !== undefined) intervals.set(`${object.metadata.namespace ?? ''}/${name}`, interval)
  }
  return intervals
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
