import { statusAnnotations } from '#kubernetes/client'
import { codesIn } from '#product/error-catalogue'
import { commandLine } from '#terminal'
import { failureText, mountFailureText } from '../cluster/failure-text.ts'
import { lateAfterMs } from '../doctor/judge/judge-files.ts'
import { cleanCommands } from './clean-text.ts'
import type { ClusterObjects, MadeRow, Mount, WaitingPod } from './cluster-objects.ts'
import { latestEvents } from './latest-events.ts'
import type { Tone, VolumeRow } from './rows.ts'

/** When rows are made, by the server's clock, and how often drivers write the times of checks that changed nothing. */
export interface Times {
  nowMs: number
  quietMs: number
}

const tones: Readonly<Record<VolumeRow['state'], Tone>> = {
  fresh: 'good',
  waiting: 'quiet',
  overdue: 'bad',
  stale: 'bad',
  failing: 'bad',
  pinned: 'quiet',
  restart: 'warn',
  static: 'quiet',
}

const none: ReadonlySet<string> = new Set()

/** One row for each pod and class: those that are mounted, and those that a pod waits for. */
export function volumeRows(objects: ClusterObjects, times: Times): VolumeRow[] {
  const mounted = [...objects.mounts].map(([key, mount]) => mountedRow(key, mount, objects, times))
  const isMounted =
    objects.waiting.size === 0 ? none : new Set(mounted.map((row) => `${row.namespace}/${row.pod}/${row.class}`))
  const events = latestEvents(objects, 'FailedMount')
  const waiting = [...objects.waiting.values()]
    .flatMap((pod) => pod.classes.map((className) => waitingRow(pod, className, events)))
    .filter((row) => !isMounted.has(`${row.namespace}/${row.pod}/${row.class}`))
  return withAgreement([...mounted, ...waiting], objects)
}

function mountedRow(key: string, mount: Mount, objects: ClusterObjects, times: Times): VolumeRow {
  const { quietMs } = times
  const { metadata, status } = mount.object
  const { made } = mount
  const late = made?.quietMs === quietMs ? made.lateAfterMs : lateAfterMs(metadata.annotations ?? {}, quietMs)
  const pod = status?.podName ?? ''
  const workload = objects.pods.get(`${metadata.namespace ?? ''}/${pod}`)?.workload ?? `pod/${pod}`
  const state = stateOf(mount, { objects, isLate: times.nowMs > late, workload })
  if (made?.quietMs === quietMs && made.row.state === state && made.row.workload === workload) return made.row
  const row = newRow(key, mount, state, workload)
  mount.made = { row, quietMs, lateAfterMs: late }
  return row
}

function newRow(key: string, mount: Mount, state: VolumeRow['state'], workload: string): VolumeRow {
  const { metadata, status } = mount.object
  const annotations = metadata.annotations ?? {}
  const at = (name: keyof typeof statusAnnotations) => annotations[statusAnnotations[name]] ?? null
  const namespace = metadata.namespace ?? ''
  const pod = status?.podName ?? ''
  const className = status?.secretProviderClassName ?? ''
  const failure = at('lastFailure')
  const code = failure === null ? codes[state] : (codesIn(failure)[0] ?? at('failureCode') ?? 'rotation-failing')
  const failing = failure === null ? undefined : withoutCode(failureText(failure), code)
  return {
    key,
    state,
    tone: tones[state],
    namespace,
    workload,
    pod,
    node: mount.node,
    class: className,
    objects: (status?.objects ?? []).flatMap(({ id = '', version = '' }) => (id === '' ? [] : [{ id, version }])),
    objectCount: status?.objects?.length ?? 0,
    version: mount.hash,
    agrees: null,
    created: metadata.creationTimestamp ?? null,
    lastCheck: at('lastCheck'),
    nextCheck: at('nextCheck'),
    lastChange: at('lastChange'),
    code,
    message: failing ?? messageOf(state, at('staleSince')),
    since: failure === null ? at('staleSince') : at('failingSince'),
    fix: state === 'fresh' ? [] : fixOf(namespace, pod, className, state),
  }
}

/** Messages of driver and provider begin with their code in brackets; it has a field of its own. */
export function withoutCode(text: string, code: string | null): string {
  return text.replaceAll(`[${code}] `, '').replaceAll(` [${code}]`, '')
}

const codes: Readonly<Record<VolumeRow['state'], string | null>> = {
  fresh: null,
  waiting: null,
  failing: null,
  overdue: 'check-late',
  stale: 'values-stale',
  pinned: 'version-pinned',
  restart: 'restart-pending',
  static: 'rotation-off',
}

function messageOf(state: VolumeRow['state'], staleSince: string | null): string | null {
  switch (state) {
    case 'stale':
      return `the values are those of ${staleSince}, because the vault or Entra did not answer; read again every 15 s`
    case 'overdue':
      return 'the driver has not checked the volume for longer than its interval'
    case 'pinned':
      return 'the class asks for a version of an object, which is read forever'
    case 'restart':
      return 'the containers started with older versions, and their workload asks for a restart'
    case 'static':
      return 'the driver does not rotate: install it with enableSecretRotation=true'
    default:
      return null
  }
}

function stateOf(
  { object, hash }: Mount,
  { objects, isLate, workload }: { objects: ClusterObjects; isLate: boolean; workload: string },
): VolumeRow['state'] {
  const { annotations = {}, namespace = '' } = object.metadata
  const className = object.status?.secretProviderClassName ?? ''
  if (annotations[statusAnnotations.lastFailure] !== undefined) return 'failing'
  if (annotations[statusAnnotations.staleSince] !== undefined) return 'stale'
  if (isLate) return 'overdue'
  const startedWith = annotations[statusAnnotations.startedWith]
  const asked = objects.workloads.get(`${namespace}/${workload}`)
  if (startedWith !== undefined && startedWith !== hash && asked !== undefined && names(asked.classes, className))
    return 'restart'
  if (annotations[statusAnnotations.nextCheck] === undefined) return 'static'
  return objects.classes.get(`${namespace}/${className}`)?.isPinned === true ? 'pinned' : 'fresh'
}

/** Whether the annotation of a workload is about this class. */
export function names(classes: string, className: string): boolean {
  return classes === 'true' || classes.split(',').some((name) => name.trim() === className)
}

function waitingRow(pod: WaitingPod, className: string, events: ReturnType<typeof latestEvents>): VolumeRow {
  const { namespace, name, node, workload, created = null } = pod
  const event = events.get(pod.uid)
  const text = event?.message ?? null
  const [code = 'pod-waits'] = codesIn(text ?? '')
  return {
    key: `${namespace}/${name}/${className}`,
    state: 'waiting',
    tone: event === undefined ? 'quiet' : 'bad',
    namespace,
    workload,
    pod: name,
    node,
    class: className,
    objects: [],
    objectCount: 0,
    version: null,
    agrees: null,
    created,
    lastCheck: null,
    nextCheck: null,
    lastChange: null,
    code: event === undefined ? null : code,
    message:
      text === null ? 'the pod has not started yet, and there is no error' : withoutCode(mountFailureText(text), code),
    since: event?.firstTimestamp ?? created,
    fix: event === undefined ? [] : fixOf(namespace, name, className, 'waiting'),
  }
}

function fixOf(namespace: string, pod: string, className: string, state: VolumeRow['state']): string[] {
  const rotate = state === 'overdue' ? [commandLine('keymount', 'rotate', className, '-n', namespace)] : []
  return cleanCommands([...rotate, commandLine('keymount', 'doctor', `pod/${pod}`, '-n', namespace)])
}

/** Of pods of one workload and class: whether they have the same versions. */
function withAgreement(rows: readonly VolumeRow[], { mounts }: ClusterObjects): VolumeRow[] {
  const groups = new Map<string, { pods: number; version: string; isSame: boolean }>()
  const keyOf = (row: VolumeRow) => `${row.namespace} ${row.workload} ${row.class}`
  for (const row of rows) {
    if (row.version === null) continue
    const key = keyOf(row)
    const group = groups.get(key)
    if (group === undefined) groups.set(key, { pods: 1, version: row.version, isSame: true })
    else {
      group.pods += 1
      if (group.version !== row.version) group.isSame = false
    }
  }
  return rows.map((row) => {
    const group = row.version === null ? undefined : groups.get(keyOf(row))
    const agrees = group === undefined || group.pods < 2 ? null : group.isSame
    return agreed(row, agrees, mounts.get(row.key)?.made)
  })
}

/** The row as it is shown takes the place of the one that it was made from. */
function agreed(row: VolumeRow, agrees: boolean | null, made: MadeRow | undefined): VolumeRow {
  if (row.agrees === agrees) return row
  const next = { ...row, agrees }
  if (made !== undefined) made.row = next
  return next
}
