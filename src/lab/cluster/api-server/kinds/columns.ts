import { valueAt } from '#lib/formats'
import { type ApiObject, mapAt, numberAt, recordsAt, textAt, textsAt } from '../api-object.ts'
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

const wide = (shown: Column): Column => ({ ...shown, priority: 1 })
/** The value at a path such as `status.podIP`. */
const at = (object: ApiObject, path: string) => valueAt(object, ...path.split('.'))
const text = (name: string, path: string, missing = '') => column(name, (object) => at(object, path) || missing)
const flag = (name: string, path: string) => column(name, (object) => at(object, path), { type: 'boolean' })
const count = (name: string, path: string) => column(name, (object) => at(object, path) ?? 0, { type: 'integer' })
/** The number of entries of a list or a map. */
const size = (name: string, path: string) =>
  column(name, (object) => Object.keys(Object(at(object, path))).length, { type: 'integer' })
const each = (name: string, path: string, field: string) =>
  column(name, (object) =>
    recordsAt(object, ...path.split('.'))
      .map((item) => item[field])
      .join(','),
  )
const pairs = (name: string, path: string) =>
  column(name, (object) => {
    const entries = Object.entries(mapAt(object, ...path.split('.')))
    return entries.map(([key, value]) => `${key}=${value}`).join(',') || '<none>'
  })

/** The format tells kubectl where to write the kind, as in `kubectl get all`. */
export const nameColumn: Column = { ...text('Name', 'metadata.name'), format: 'name' }
export const ageColumn = column('Age', ({ metadata }, now) => ageOf(metadata.creationTimestamp, now))
const createdAt = text('Created At', 'metadata.creationTimestamp')

const workload = [
  wide(each('Containers', 'spec.template.spec.containers', 'name')),
  wide(each('Images', 'spec.template.spec.containers', 'image')),
  wide(pairs('Selector', 'spec.selector.matchLabels')),
]

const subjects = (name: string, kind: string) =>
  column(
    name,
    (object) =>
      recordsAt(object, 'subjects')
        .filter((subject) => subject.kind === kind)
        .map((subject) => (kind === 'ServiceAccount' ? `${subject.namespace}/${subject.name}` : subject.name))
        .join(', '),
    { priority: 1 },
  )

const binding = [
  nameColumn,
  column('Role', (object) => `${at(object, 'roleRef.kind')}/${at(object, 'roleRef.name')}`),
  ageColumn,
  subjects('Users', 'User'),
  subjects('Groups', 'Group'),
  subjects('ServiceAccounts', 'ServiceAccount'),
]

/** The columns of each built-in kind, by plural; the same that a real API server gives. */
export const columns: Record<string, readonly Column[]> = {
  pods: [
    nameColumn,
    column('Ready', readyContainers),
    column('Status', podStatus),
    column('Restarts', restarts),
    ageColumn,
    wide(text('IP', 'status.podIP', '<none>')),
    wide(text('Node', 'spec.nodeName', '<none>')),
    wide(column('Nominated Node', () => '<none>')),
    wide(column('Readiness Gates', () => '<none>')),
  ],
  secrets: [nameColumn, text('Type', 'type'), size('Data', 'data'), ageColumn],
  services: [
    nameColumn,
    text('Type', 'spec.type'),
    text('Cluster-IP', 'spec.clusterIP', '<none>'),
    column('External-IP', () => '<none>'),
    column('Port(s)', servicePorts),
    ageColumn,
    wide(pairs('Selector', 'spec.selector')),
  ],
  mutatingwebhookconfigurations: [nameColumn, size('Webhooks', 'webhooks'), ageColumn],
  poddisruptionbudgets: [
    nameColumn,
    column('Min Available', (object) => at(object, 'spec.minAvailable') ?? 'N/A'),
    column('Max Unavailable', (object) => at(object, 'spec.maxUnavailable') ?? 'N/A'),
    column('Allowed Disruptions', () => 0, { type: 'integer' }),
    ageColumn,
  ],
  configmaps: [
    nameColumn,
    column('Data', ({ data, binaryData }) => Object.keys({ ...Object(data), ...Object(binaryData) }).length, {
      type: 'integer',
    }),
    ageColumn,
  ],
  serviceaccounts: [nameColumn, size('Secrets', 'secrets'), ageColumn],
  namespaces: [nameColumn, text('Status', 'status.phase'), ageColumn],
  nodes: [
    nameColumn,
    column('Status', nodeStatus),
    column('Roles', nodeRoles),
    ageColumn,
    text('Version', 'status.nodeInfo.kubeletVersion'),
    wide(column('Internal-IP', (node) => nodeAddress(node, 'InternalIP'))),
    wide(column('External-IP', (node) => nodeAddress(node, 'ExternalIP'))),
    wide(text('OS-Image', 'status.nodeInfo.osImage', '<unknown>')),
    wide(text('Kernel-Version', 'status.nodeInfo.kernelVersion', '<unknown>')),
    wide(text('Container-Runtime', 'status.nodeInfo.containerRuntimeVersion', '<unknown>')),
  ],
  events: [
    column('Last Seen', (event, now) => ageOf(lastSeen(event), now)),
    text('Type', 'type'),
    text('Reason', 'reason'),
    column('Object', ({ involvedObject }) =>
      [textAt(involvedObject, 'kind').toLowerCase(), textAt(involvedObject, 'name')].join('/'),
    ),
    wide(text('Subobject', 'involvedObject.fieldPath')),
    wide(
      column('Source', ({ source }) =>
        [textAt(source, 'component'), textAt(source, 'host')].filter(Boolean).join(', '),
      ),
    ),
    column('Message', ({ message }) => String(message ?? '').trim()),
    wide(column('First Seen', (event, now) => ageOf(event.firstTimestamp ?? lastSeen(event), now))),
    wide(column('Count', (event) => event.count ?? 1)),
    wide(column('Name', ({ metadata }) => metadata.name)),
  ],
  daemonsets: [
    nameColumn,
    count('Desired', 'status.desiredNumberScheduled'),
    count('Current', 'status.currentNumberScheduled'),
    count('Ready', 'status.numberReady'),
    count('Up-to-date', 'status.updatedNumberScheduled'),
    count('Available', 'status.numberAvailable'),
    pairs('Node Selector', 'spec.template.spec.nodeSelector'),
    ageColumn,
    ...workload,
  ],
  deployments: [
    nameColumn,
    column('Ready', (object) => `${at(object, 'status.readyReplicas') ?? 0}/${at(object, 'spec.replicas') ?? 0}`),
    count('Up-to-date', 'status.updatedReplicas'),
    count('Available', 'status.availableReplicas'),
    ageColumn,
    ...workload,
  ],
  replicasets: [
    nameColumn,
    count('Desired', 'spec.replicas'),
    count('Current', 'status.replicas'),
    count('Ready', 'status.readyReplicas'),
    ageColumn,
    ...workload,
  ],
  customresourcedefinitions: [nameColumn, createdAt],
  csidrivers: [
    nameColumn,
    flag('AttachRequired', 'spec.attachRequired'),
    flag('PodInfoOnMount', 'spec.podInfoOnMount'),
    flag('StorageCapacity', 'spec.storageCapacity'),
    column('TokenRequests', (driver) => {
      const audiences = recordsAt(driver, 'spec', 'tokenRequests').map(({ audience }) => audience)
      return audiences.length === 0 ? '<unset>' : audiences.join(',')
    }),
    flag('RequiresRepublish', 'spec.requiresRepublish'),
    column('Modes', (driver) => textsAt(driver, 'spec', 'volumeLifecycleModes').join(',') || '<none>'),
    ageColumn,
  ],
  leases: [nameColumn, text('Holder', 'spec.holderIdentity'), ageColumn],
  csinodes: [nameColumn, size('Drivers', 'spec.drivers'), ageColumn],
  roles: [nameColumn, createdAt],
  clusterroles: [nameColumn, createdAt],
  rolebindings: binding,
  clusterrolebindings: binding,
}

function readyContainers(pod: ApiObject): string {
  const ready = recordsAt(pod, 'status', 'containerStatuses').filter((status) => status.ready === true)
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
  const running = statuses.some((status) => status.ready === true && valueAt(status, 'state', 'running') !== undefined)
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
  const word = ready === undefined ? 'Unknown' : ready.status === 'True' ? 'Ready' : 'NotReady'
  return valueAt(node, 'spec', 'unschedulable') === true ? `${word},SchedulingDisabled` : word
}

function nodeRoles({ metadata }: ApiObject): string {
  const prefix = 'node-role.kubernetes.io/'
  const roles = Object.keys(metadata.labels ?? {}).filter((label) => label.startsWith(prefix))
  return roles.map((label) => label.slice(prefix.length)).join(',') || '<none>'
}

function nodeAddress(node: ApiObject, type: string): string {
  const found = recordsAt(node, 'status', 'addresses').find((address) => address.type === type)
  return textAt(found, 'address') || '<none>'
}

function lastSeen(event: ApiObject): unknown {
  return valueAt(event, 'series', 'lastObservedTime') ?? event.lastTimestamp ?? event.eventTime ?? event.firstTimestamp
}

function servicePorts(service: ApiObject): string {
  const ports = recordsAt(service, 'spec', 'ports').map(({ port, protocol }) => `${port}/${protocol}`)
  return ports.join(',') || '<none>'
}
