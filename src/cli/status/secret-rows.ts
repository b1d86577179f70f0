import { statusAnnotations } from '#kubernetes/client'
import { commandLine } from '#terminal'
import { cleanCommands } from './clean-text.ts'
import type { ClassFacts, ClusterObjects, Mount, SyncFacts } from './cluster-objects.ts'
import type { SecretRow, Tone } from './rows.ts'
import { names } from './volume-rows.ts'

const tones: Readonly<Record<SecretRow['state'], Tone>> = {
  ready: 'good',
  'not ready': 'bad',
  behind: 'warn',
  pending: 'quiet',
}

/** One row for each Secret that a SecretSync or a class asks for. Their data is not read. */
export function secretRows(objects: ClusterObjects): SecretRow[] {
  const mounts = Map.groupBy(objects.mounts.values(), ({ object: { metadata, status } }) => {
    return `${metadata.namespace ?? ''}/${status?.secretProviderClassName ?? ''}`
  })
  return [
    ...[...objects.syncs].map(([key, sync]) => ofSync(key, sync)),
    ...[...objects.classes].flatMap(([key, facts]) => ofClass(facts, mounts.get(key) ?? [], objects)),
  ]
}

function ofSync(key: string, sync: SyncFacts): SecretRow {
  const { namespace, name, ready, message, reason, restarts } = sync
  const state = ready === undefined ? 'pending' : ready ? 'ready' : 'not ready'
  const isWrong = state === 'not ready'
  return {
    key: `sync/${key}`,
    state,
    tone: tones[state],
    namespace,
    secret: name,
    type: sync.type,
    source: 'SecretSync',
    class: sync.class,
    keys: sync.keys,
    lastWritten: sync.lastWritten,
    restarts,
    message: isWrong ? message || reason : null,
    fix: isWrong ? cleanCommands([commandLine('keymount', 'doctor', `secretsync/${name}`, '-n', namespace)]) : [],
  }
}

function ofClass(facts: ClassFacts, mounts: readonly Mount[], objects: ClusterObjects): SecretRow[] {
  const { namespace, class: className } = facts
  const restarts = [...objects.workloads.values()]
    .filter(
      (asked) => asked.namespace === namespace && isUsedBy(asked, mounts, objects) && names(asked.classes, className),
    )
    .map(({ workload }) => workload)
  return facts.secrets.map(({ name, type, keys }) => {
    const state = stateOf(name, mounts)
    const isWritten = state !== 'behind' || mounts.some(({ object }) => isMirrored(object))
    return {
      key: `class/${namespace}/${className}/${name}`,
      state,
      tone: tones[state],
      namespace,
      secret: name,
      type,
      source: 'secretObjects',
      class: className,
      keys,
      lastWritten: isWritten ? lastChange(mounts) : null,
      restarts: restarts.slice(0, 20),
      message: isWritten ? (messages[state] ?? null) : neverWritten,
      fix:
        state === 'behind'
          ? cleanCommands([commandLine('keymount', 'doctor', `class/${className}`, '-n', namespace)])
          : [],
    }
  })
}

const messages: Partial<Record<SecretRow['state'], string>> = {
  behind: 'the files of the class are newer than the Secret',
  pending: 'written as soon as a pod mounts the class',
}

const neverWritten =
  'the driver has not written the Secret: it does not exist, or belongs to something else; see syncSecret.enabled of the chart'

function isMirrored({ metadata }: Mount['object']): boolean {
  return metadata.annotations?.[statusAnnotations.mirroredFor] !== undefined
}

function isUsedBy(
  { namespace, workload }: { namespace: string; workload: string },
  mounts: readonly Mount[],
  { pods }: ClusterObjects,
): boolean {
  return mounts.some(({ object }) => pods.get(`${namespace}/${object.status?.podName ?? ''}`)?.workload === workload)
}

/** A Secret is as new as the volume that it was written from. */
function stateOf(name: string, mounts: readonly Mount[]): SecretRow['state'] {
  const asked = mounts.filter(({ object }) =>
    (object.metadata.annotations?.[statusAnnotations.secrets] ?? '').split(',').includes(name),
  )
  if (asked.length === 0) return 'pending'
  const isWritten = asked.some(
    ({ object, hash }) => object.metadata.annotations?.[statusAnnotations.mirroredFor] === hash,
  )
  return isWritten ? 'ready' : 'behind'
}

function lastChange(mounts: readonly Mount[]): string | null {
  let latest = ''
  for (const { object } of mounts) {
    const at = object.metadata.annotations?.[statusAnnotations.lastChange] ?? object.metadata.creationTimestamp ?? ''
    if (at > latest) latest = at
  }
  return latest || null
}
