import { type ApiObject, mapAt, numberAt, recordsAt, textAt, textsAt, valueAt } from '../api-object.ts'
import { ageOf } from './human-duration.ts'

/** One column of a kind's table. */
export interface Column {
  name: string
  type: 'string' | 'integer' | 'number' | 'boolean' | 'date'
  format: string
  description: string
  /** 0 is always shown, 1 with `-o wide`. */
  priority: number
  cell(object: ApiObject, now: number): unknown
}

type Cell = Column['cell']

function column(name: string, cell: Cell, options: Partial<Column> = {}): Column {
  return { name, type: 'string', format: '', description: '', priority: 0, ...options, cell }
}

const wide = (name: string, cell: Cell) => column(name, cell, { priority: 1 })
const count = (name: string, ...path: string[]) =>
  column(name, (object) => numberAt(object, ...path), { type: 'integer' })
const size = (name: string, ...fields: string[]) =>
  column(name, (object) => fields.reduce((sum, field) => sum + sizeAt(object, field), 0), { type: 'integer' })
const sizeAt = (object: ApiObject, field: string) => Object.keys((valueAt(object, field) ?? {}) as object).length
const orNone = (text: string) => (text === '' ? '<none>' : text)
const joined = (map: Record<string, string>) =>
  orNone(
    Object.entries(map)
      .map(([key, value]) => `${key}=${value}`)
      .join(','),
  )

export const nameColumn = column('Name', ({ metadata }) => metadata.name, { format: 'name' })
export const ageColumn = column('Age', ({ metadata }, now) => ageOf(metadata.creationTimestamp, now))
const createdAt = column('Created At', ({ metadata }) => metadata.creationTimestamp, { type: 'date' })

const template = ['spec', 'template', 'spec', 'containers'] as const
const workload = [
  wide('Containers', (object) =>
    recordsAt(object, ...template)
      .map(({ name }) => name)
      .join(','),
  ),
  wide('Images', (object) =>
    recordsAt(object, ...template)
      .map(({ image }) => image)
      .join(','),
  ),
  wide('Selector', (object) => joined(mapAt(object, 'spec', 'selector', 'matchLabels'))),
]

const subjects = (name: string, kind: string) =>
  wide(name, (object) =>
    recordsAt(object, 'subjects')
      .filter((subject) => subject['kind'] === kind)
      .map((subject) => (kind === 'ServiceAccount' ? `${subject['namespace']}/${subject['name']}` : subject['name']))
      .join(', '),
  )

/** The columns of each built-in kind, by plural; the same that a real API server gives. */
export const columns: Record<string, readonly Column[]> = {
  pods: [
    nameColumn,
    column('Ready', (pod) => readyContainers(pod)),
    column('Status', (pod) => podStatus(pod)),
    column('Restarts', (pod, now) => restarts(pod, now)),
    ageColumn,
    wide('IP', (pod) => orNone(textAt(pod, 'status', 'podIP'))),
    wide('Node', (pod) => orNone(textAt(pod, 'spec', 'nodeName'))),
    wide('Nominated Node', () => '<none>'),
    wide('Readiness Gates', () => '<none>'),
  ],
  secrets: [nameColumn, column('Type', ({ type }) => type), size('Data', 'data'), ageColumn],
  configmaps: [nameColumn, size('Data', 'data', 'binaryData'), ageColumn],
  serviceaccounts: [nameColumn, size('Secrets', 'secrets'), ageColumn],
  namespaces: [nameColumn, column('Status', (object) => textAt(object, 'status', 'phase')), ageColumn],
  nodes: [
    nameColumn,
    column('Status', nodeStatus),
    column('Roles', nodeRoles),
    ageColumn,
    column('Version', (node) => textAt(node, 'status', 'nodeInfo', 'kubeletVersion')),
    wide('Internal-IP', (node) => nodeAddress(node, 'InternalIP')),
    wide('External-IP', (node) => nodeAddress(node, 'ExternalIP')),
    wide('OS-Image', (node) => textAt(node, 'status', 'nodeInfo', 'osImage') || '<unknown>'),
    wide('Kernel-Version', (node) => textAt(node, 'status', 'nodeInfo', 'kernelVersion') || '<unknown>'),
    wide('Container-Runtime', (node) => textAt(node, 'status', 'nodeInfo', 'containerRuntimeVersion') || '<unknown>'),
  ],
  events: [
    column('Last Seen', (event, now) => ageOf(lastSeen(event), now)),
    column('Type', ({ type }) => type),
    column('Reason', ({ reason }) => reason),
    column(
      'Object',
      (event) => `${textAt(event, 'involvedObject', 'kind').toLowerCase()}/${textAt(event, 'involvedObject', 'name')}`,
    ),
    wide('Subobject', (event) => textAt(event, 'involvedObject', 'fieldPath')),
    wide('Source', (event) =>
      [textAt(event, 'source', 'component'), textAt(event, 'source', 'host')].filter((part) => part !== '').join(', '),
    ),
    column('Message', ({ message }) => String(message ?? '').trim()),
    wide('First Seen', (event, now) => ageOf(event['firstTimestamp'] ?? lastSeen(event), now)),
    wide('Count', (event) => event['count'] ?? 1),
    wide('Name', ({ metadata }) => metadata.name),
  ],
  daemonsets: [
    nameColumn,
    count('Desired', 'status', 'desiredNumberScheduled'),
    count('Current', 'status', 'currentNumberScheduled'),
    count('Ready', 'status', 'numberReady'),
    count('Up-to-date', 'status', 'updatedNumberScheduled'),
    count('Available', 'status', 'numberAvailable'),
    column('Node Selector', (object) => joined(mapAt(object, 'spec', 'template', 'spec', 'nodeSelector'))),
    ageColumn,
    ...workload,
  ],
  deployments: [
    nameColumn,
    column(
      'Ready',
      (object) => `${numberAt(object, 'status', 'readyReplicas')}/${numberAt(object, 'spec', 'replicas')}`,
    ),
    count('Up-to-date', 'status', 'updatedReplicas'),
    count('Available', 'status', 'availableReplicas'),
    ageColumn,
    ...workload,
  ],
  replicasets: [
    nameColumn,
    count('Desired', 'spec', 'replicas'),
    count('Current', 'status', 'replicas'),
    count('Ready', 'status', 'readyReplicas'),
    ageColumn,
    ...workload,
  ],
  customresourcedefinitions: [nameColumn, createdAt],
  csidrivers: [
    nameColumn,
    column('AttachRequired', (object) => valueAt(object, 'spec', 'attachRequired') ?? true, { type: 'boolean' }),
    column('PodInfoOnMount', (object) => valueAt(object, 'spec', 'podInfoOnMount') ?? false, { type: 'boolean' }),
    column('StorageCapacity', (object) => valueAt(object, 'spec', 'storageCapacity') ?? false, { type: 'boolean' }),
    column('TokenRequests', (object) => {
      const requests = valueAt(object, 'spec', 'tokenRequests')
      return Array.isArray(requests) ? requests.map(({ audience }) => audience).join(',') : '<unset>'
    }),
    column('RequiresRepublish', (object) => valueAt(object, 'spec', 'requiresRepublish') ?? false, { type: 'boolean' }),
    column('Modes', (object) => orNone(textsAt(object, 'spec', 'volumeLifecycleModes').join(','))),
    ageColumn,
  ],
  csinodes: [
    nameColumn,
    column('Drivers', (object) => recordsAt(object, 'spec', 'drivers').length, { type: 'integer' }),
    ageColumn,
  ],
  roles: [nameColumn, createdAt],
  clusterroles: [nameColumn, createdAt],
  rolebindings: bindingColumns(),
  clusterrolebindings: bindingColumns(),
}

function bindingColumns(): readonly Column[] {
  return [
    nameColumn,
    column('Role', (object) => `${textAt(object, 'roleRef', 'kind')}/${textAt(object, 'roleRef', 'name')}`),
    ageColumn,
    subjects('Users', 'User'),
    subjects('Groups', 'Group'),
    subjects('ServiceAccounts', 'ServiceAccount'),
  ]
}

function readyContainers(pod: ApiObject): string {
  const ready = recordsAt(pod, 'status', 'containerStatuses').filter((status) => status['ready'] === true)
  return `${ready.length}/${recordsAt(pod, 'spec', 'containers').length}`
}

/** One word for the state of a pod: the most telling reason, from the outside in. */
function podStatus(pod: ApiObject): string {
  if (pod.metadata.deletionTimestamp !== undefined) return 'Terminating'
  const phase = textAt(pod, 'status', 'reason') || textAt(pod, 'status', 'phase')
  return initStatus(pod) ?? containersStatus(pod) ?? phase
}

function initStatus(pod: ApiObject): string | undefined {
  const statuses = recordsAt(pod, 'status', 'initContainerStatuses')
  const index = statuses.findIndex((status) => valueAt(status, 'state', 'terminated', 'exitCode') !== 0)
  if (index < 0) return undefined
  const reason = stateReason(statuses[index])
  if (reason !== undefined && reason !== 'PodInitializing') return `Init:${reason}`
  return `Init:${index}/${recordsAt(pod, 'spec', 'initContainers').length}`
}

function containersStatus(pod: ApiObject): string | undefined {
  const statuses = recordsAt(pod, 'status', 'containerStatuses')
  const reason = statuses.map(stateReason).find((found) => found !== undefined)
  // A pod with one finished and one running container is still running.
  const running = statuses.some(
    (status) => status['ready'] === true && valueAt(status, 'state', 'running') !== undefined,
  )
  return reason === 'Completed' && running ? 'Running' : reason
}

function stateReason(status: unknown): string | undefined {
  const waiting = textAt(status, 'state', 'waiting', 'reason')
  if (waiting !== '') return waiting
  const terminated = valueAt(status, 'state', 'terminated')
  if (terminated === undefined) return undefined
  const signal = numberAt(terminated, 'signal')
  return (
    textAt(terminated, 'reason') || (signal === 0 ? `ExitCode:${numberAt(terminated, 'exitCode')}` : `Signal:${signal}`)
  )
}

function restarts(pod: ApiObject, now: number): string {
  const statuses = recordsAt(pod, 'status', 'containerStatuses')
  const total = statuses.reduce((sum, status) => sum + numberAt(status, 'restartCount'), 0)
  const last = statuses
    .map((status) => textAt(status, 'lastState', 'terminated', 'finishedAt'))
    .toSorted()
    .at(-1)
  return total === 0 || last === undefined || last === '' ? String(total) : `${total} (${ageOf(last, now)} ago)`
}

function nodeStatus(node: ApiObject): string {
  const ready = recordsAt(node, 'status', 'conditions').find(({ type }) => type === 'Ready')
  const word = ready === undefined ? 'Unknown' : ready['status'] === 'True' ? 'Ready' : 'NotReady'
  return valueAt(node, 'spec', 'unschedulable') === true ? `${word},SchedulingDisabled` : word
}

function nodeRoles({ metadata }: ApiObject): string {
  const prefix = 'node-role.kubernetes.io/'
  const roles = Object.keys(metadata.labels ?? {}).filter((label) => label.startsWith(prefix))
  return orNone(roles.map((label) => label.slice(prefix.length)).join(','))
}

function nodeAddress(node: ApiObject, type: string): string {
  const found = recordsAt(node, 'status', 'addresses').find((address) => address['type'] === type)
  return orNone(textAt(found, 'address'))
}

function lastSeen(event: ApiObject): unknown {
  return (
    valueAt(event, 'series', 'lastObservedTime') ??
    event['lastTimestamp'] ??
    event['eventTime'] ??
    event['firstTimestamp']
  )
}
