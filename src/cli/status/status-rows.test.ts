import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type KubeObject, statusAnnotations } from '#kubernetes/client'
import { rowsOf } from './all-rows.ts'
import { cleanCommands, cleanText } from './clean-text.ts'
import { type ClusterObjects, emptyObjects } from './cluster-objects.ts'
import { filterRows, parseFilter } from './filter.ts'
import { put } from './load-objects.ts'
import { judgeClass } from './pick-class.ts'
import { tableLines } from './print-table.ts'
import type { VolumeRow } from './rows.ts'
import { shortAge } from './short-age.ts'
import { sources } from './sources.ts'
import { statusLimits } from './status-limits.ts'
import { sortRows, viewNames, viewOf, views } from './views.ts'

const nowMs = Date.parse('2026-11-28T12:00:00Z')
const context = { nowMs, installCommand: 'helm install keymount', knowsDriver: true }
const ago = (seconds: number) => new Date(nowMs - seconds * 1000).toISOString()

/** As the lists of the cluster give them. */
function objectsOf(...all: readonly (KubeObject & Record<string, unknown>)[]): ClusterObjects {
  const objects = emptyObjects()
  for (const object of all) {
    for (const source of sources.filter(({ resource }) => resource.kind === object.kind)) {
      const isPending =
        source.map !== 'waiting' || (object.status as { phase?: string } | undefined)?.phase === 'Pending'
      const isProduct = source.map !== 'productPods' || object.metadata.labels?.app !== undefined
      const entry = isPending && isProduct ? source.entry(object) : undefined
      if (entry !== undefined) put(objects, source, entry)
    }
  }
  for (const facts of objects.classes.values()) judgeClass(facts)
  return objects
}

function mount(pod: string, annotations: Record<string, string> = {}, objects = [{ id: 'secret/db', version: 'v1' }]) {
  return {
    apiVersion: 'secrets-store.csi.x-k8s.io/v1',
    kind: 'SecretProviderClassPodStatus',
    metadata: {
      namespace: 'shop',
      name: `${pod}-shop-db`,
      uid: `uid-${pod}`,
      creationTimestamp: ago(86_400),
      labels: { 'internal.secrets-store.csi.k8s.io/node-name': 'n1' },
      annotations: {
        [statusAnnotations.lastCheck]: ago(30),
        [statusAnnotations.nextCheck]: ago(-90),
        [statusAnnotations.lastChange]: ago(3600),
        ...annotations,
      },
    },
    status: { podName: pod, secretProviderClassName: 'db', mounted: true, objects },
  }
}

function pod(name: string, more: { phase?: string; workload?: string } = {}) {
  const { phase = 'Running', workload = 'web' } = more
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      namespace: 'shop',
      name,
      uid: `pod-${name}`,
      creationTimestamp: ago(86_400),
      labels: { 'pod-template-hash': '5d4f' },
      ownerReferences: [
        { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: `${workload}-5d4f`, uid: 'rs', controller: true },
      ],
    },
    spec: {
      containers: [],
      volumes: [
        {
          name: 's',
          csi: { driver: 'secrets-store.csi.k8s.io', volumeAttributes: { secretProviderClass: 'db' } },
        },
      ],
    },
    status: { phase },
  }
}

function classOf(parameters: Record<string, string> = {}, spec: object = {}) {
  const id = '11111111-2222-3333-4444-555555555555'
  const objects = 'array:\n  - |\n    objectName: db\n    objectType: secret\n'
  return {
    apiVersion: 'secrets-store.csi.x-k8s.io/v1',
    kind: 'SecretProviderClass',
    metadata: { namespace: 'shop', name: 'db', uid: 'class' },
    spec: {
      provider: 'azure',
      parameters: { keyvaultName: 'vault', tenantID: id, clientID: id, objects, ...parameters },
      ...spec,
    },
  }
}

function event(reason: string, about: string, message: string) {
  return {
    apiVersion: 'v1',
    kind: 'Event',
    metadata: { namespace: 'shop', name: `${about}.${reason}` },
    involvedObject: { kind: 'Pod', namespace: 'shop', name: about, uid: `pod-${about}` },
    reason,
    message,
    firstTimestamp: ago(120),
    lastTimestamp: ago(10),
    count: 3,
  }
}

const volumesOf = (objects: ClusterObjects) => rowsOf(objects, context, ['volumes']).volumes
const stateOf = (objects: ClusterObjects) => volumesOf(objects).map(({ state, code }) => [state, code])

test('a pod that only has the labels of driver and provider hides nothing about its node, nor does its DaemonSet', () => {
  const own = { namespace: 'kube-system', hostPath: { path: '/var/lib/kubelet' } }
  const forged = { namespace: 'evil', emptyDir: {} }
  const productPod = (app: string, node: string, { namespace, ...volume }: typeof own | typeof forged) => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { namespace, name: `${app}-${node}`, labels: { app } },
    spec: { nodeName: node, containers: [{ name: 'main', image: 'x' }], volumes: [{ name: 'v', ...volume }] },
    status: { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] },
  })
  const apps = ['secrets-store-csi-driver', 'secrets-store-provider-azure']
  const daemonSet = (namespace: string, app: string) => ({
    apiVersion: 'apps/v1',
    kind: 'DaemonSet',
    metadata: { namespace, name: `${app}-of-${namespace}`, labels: { app } },
    spec: { selector: { matchLabels: { app } }, template: { spec: { containers: [], nodeSelector: {} } } },
  })
  const nodes = ['n1', 'n2'].flatMap((name) => [
    { apiVersion: 'v1', kind: 'Node', metadata: { name } },
    {
      apiVersion: 'storage.k8s.io/v1',
      kind: 'CSINode',
      metadata: { name },
      spec: { drivers: [{ name: 'secrets-store.csi.k8s.io', nodeID: name }] },
    },
  ])
  const objects = objectsOf(
    ...nodes,
    ...['evil', 'kube-system'].flatMap((namespace) => apps.map((app) => daemonSet(namespace, app))),
    ...apps.flatMap((app) => [productPod(app, 'n1', own), productPod(app, 'n2', forged)]),
  )
  const rows = rowsOf(objects, context, ['nodes']).nodes
  assert.deepEqual(
    rows.map(({ node, state }) => [node, state]),
    [
      ['n1', 'ok'],
      ['n2', 'not ready'],
    ],
  )
  assert.match(rows[1]?.fix.join('') ?? '', /-of-kube-system/)
})

test('the state of a volume is the worst of those that apply', () => {
  const failure = {
    [statusAnnotations.lastFailure]: '[vault-forbidden] no right',
    [statusAnnotations.failingSince]: ago(60),
  }
  const stale = { [statusAnnotations.staleSince]: ago(600) }
  assert.deepEqual(stateOf(objectsOf(mount('a'))), [['fresh', null]])
  assert.deepEqual(stateOf(objectsOf(mount('a', { ...failure, ...stale }))), [['failing', 'vault-forbidden']])
  assert.deepEqual(stateOf(objectsOf(mount('a', stale))), [['stale', 'values-stale']])
  assert.deepEqual(
    stateOf(
      objectsOf(mount('a', { [statusAnnotations.lastCheck]: ago(7200), [statusAnnotations.nextCheck]: ago(7080) })),
    ),
    [['overdue', 'check-late']],
  )
  // Checks after the recorded one are not written for the interval of status writes.
  const unwritten = { [statusAnnotations.lastCheck]: ago(600), [statusAnnotations.nextCheck]: ago(340) }
  assert.deepEqual(stateOf(objectsOf(mount('a', unwritten))), [['fresh', null]])
  assert.deepEqual(
    stateOf(
      objectsOf(
        mount('a'),
        classOf({ objects: 'array:\n  - |\n    objectName: db\n    objectType: secret\n    objectVersion: abc\n' }),
      ),
    ),
    [['pinned', 'version-pinned']],
  )
})

test('a restart is pending where the containers started with older versions and the workload asks for one', () => {
  const startedWith = { [statusAnnotations.startedWith]: '0123456789abcdef' }
  const deployment = (asked: string) => ({
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { namespace: 'shop', name: 'web', annotations: { 'keymount.dev/restart-on-rotation': asked } },
  })
  const state = (asked: string) => stateOf(objectsOf(mount('a', startedWith), pod('a'), deployment(asked)))[0]?.[0]
  assert.equal(state('true'), 'restart')
  assert.equal(state('other, db'), 'restart')
  assert.equal(state('other'), 'fresh')
  assert.equal(state('false'), 'fresh')
})

test('pods of one Deployment are compared, and a pod that waits has a row with what kubelet reported', () => {
  const other = [{ id: 'secret/db', version: 'v2' }]
  const message =
    'MountVolume.SetUp failed for volume "s" : rpc error: code = Unknown desc = [vault-forbidden] no right'
  const objects = objectsOf(
    mount('a'),
    mount('b', {}, other),
    pod('a'),
    pod('b'),
    pod('c', { phase: 'Pending' }),
    event('FailedMount', 'c', message),
  )
  const rows = volumesOf(objects)
  assert.deepEqual(
    rows.map((row) => [row.pod, row.workload, row.state, row.agrees, row.code]),
    [
      ['a', 'deployment/web', 'fresh', false, null],
      ['b', 'deployment/web', 'fresh', false, null],
      ['c', 'deployment/web', 'waiting', null, 'vault-forbidden'],
    ],
  )
  const { objects: vaults, problems } = rowsOf(objects, context, ['objects', 'problems'])
  assert.deepEqual(vaults[0]?.versions, [
    { version: 'v1', pods: 1 },
    { version: 'v2', pods: 1 },
  ])
  assert.equal(vaults[0]?.state, 'mixed')
  const problem = problems.find(({ code }) => code === 'vault-forbidden')
  assert.deepEqual(problem?.affected, ['pod/c'])
  assert.deepEqual(problem?.fix, ['keymount doctor pod/c -n shop', 'keymount explain vault-forbidden'])
})

test('a pod with three volumes that fail for one reason is affected once', () => {
  const failure = { [statusAnnotations.lastFailure]: '[vault-forbidden] no right' }
  const mounts = [1, 2, 3].map((i) => {
    const one = mount('a', failure)
    return { ...one, metadata: { ...one.metadata, name: `a-${i}` } }
  })
  const { problems } = rowsOf(objectsOf(...mounts), context, ['problems'])
  const found = problems.find(({ code }) => code === 'vault-forbidden')
  assert.deepEqual([found?.affected, found?.affectedCount], [['pod/a'], 1])
})

test('a Secret that was never written is not behind its files', () => {
  const wanted = classOf({}, { secretObjects: [{ secretName: 'db', type: 'Opaque', data: [] }] })
  const asked = { [statusAnnotations.secrets]: 'db' }
  const found = (annotations: Record<string, string>) => {
    const rows = rowsOf(objectsOf(wanted, mount('a', annotations)), context, ['secrets', 'problems'])
    const problem = rows.problems.find(({ where }) => where === 'secret/db')
    return [rows.secrets[0]?.lastWritten === null, problem?.code, problem?.text.slice(0, 37)]
  }
  assert.deepEqual(found(asked), [true, 'secret-not-written', 'the driver has not written the Secret'])
  const older = { ...asked, [statusAnnotations.mirroredFor]: 'older' }
  assert.deepEqual(found(older), [false, 'secret-behind', 'the files of the class are newer than'])
})

test('a Deployment of Keymount without a ready pod is a problem; one in a namespace of a user is not one of Keymount', () => {
  const deployment = (namespace: string, replicas: number, readyReplicas: number) => ({
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { namespace, name: 'keymount-operator', labels: { 'app.kubernetes.io/name': 'keymount' } },
    spec: { replicas },
    status: { readyReplicas },
  })
  const driver = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { namespace: 'kube-system', name: 'driver', labels: { app: 'secrets-store-csi-driver' } },
    spec: { containers: [], volumes: [{ name: 'kubelet', hostPath: { path: '/var/lib/kubelet' } }] },
  }
  const found = (...all: ReturnType<typeof deployment>[]) =>
    rowsOf(objectsOf(driver, ...all), context, ['problems'])
      .problems.filter(({ code }) => code === 'deployment-not-ready')
      .map(({ state, text, fix }) => [state, text, fix[0]])
  assert.deepEqual(found(deployment('kube-system', 1, 1)), [])
  assert.deepEqual(found(deployment('shop', 1, 0)), [])
  assert.deepEqual(found(deployment('kube-system', 1, 0)), [
    [
      'error',
      'Deployment kube-system/keymount-operator: 0 of 1 ready',
      'kubectl describe deployment keymount-operator --namespace kube-system',
    ],
  ])
  assert.deepEqual(found(deployment('kube-system', 0, 0)), [
    [
      'error',
      'Deployment kube-system/keymount-operator: scaled to 0',
      'kubectl scale deployment/keymount-operator --replicas 1 --namespace kube-system',
    ],
  ])
  assert.equal(found(deployment('kube-system', 2, 1))[0]?.[0], 'warning')
})

test('a hundred volumes that fail for one reason are one problem, with their number and the first of their names', () => {
  const failure = {
    [statusAnnotations.lastFailure]: '[vault-forbidden] no right',
    [statusAnnotations.failingSince]: ago(60),
  }
  const mounts = Array.from({ length: 100 }, (_, i) => mount(`p${i}`, failure))
  const problems = rowsOf(objectsOf(...mounts), context, ['problems']).problems.filter(
    ({ code }) => code === 'vault-forbidden',
  )
  assert.equal(problems.length, 1)
  assert.equal(problems[0]?.affectedCount, 100)
  assert.equal(problems[0]?.affected.length, statusLimits.affected.value)
})

test('a class that cannot be mounted is invalid, with the finding of lint and the exact fix among the problems', () => {
  const objects = objectsOf(classOf({ objects: 'array:\n  - |\n    objectName: db\n    objectType: sekret\n' }))
  const { classes, problems } = rowsOf(objects, context, ['classes', 'problems'])
  assert.equal(classes[0]?.state, 'invalid')
  assert.deepEqual(
    classes[0]?.problems.map(({ code }) => code),
    ['KL004'],
  )
  assert.match(
    problems.find(({ code }) => code === 'parameters-invalid')?.fix[0] ?? '',
    /kubectl patch secretproviderclass db/,
  )
})

const hostileText = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.constantFrom(
    '<img src=x onerror=alert(1)>',
    '\u001b[2J\u001b]0;owned\u0007',
    '\u202Egnp.exe',
    'a'.repeat(5000),
    '$(reboot)',
    "'; reboot; '",
  ),
)
const hostileValue = fc.oneof(
  hostileText,
  fc.constant(undefined),
  fc.integer(),
  fc.constant(null),
  fc.array(hostileText, { maxLength: 3 }),
)
const hostileRecord = fc.dictionary(
  fc.oneof(fc.constantFrom(...Object.values(statusAnnotations)), hostileText),
  hostileText,
  { maxKeys: 8 },
)

/** Metadata is valid as far as the API server checks it; the rest is what a definition without a schema would let through. */
const hostileMount = fc.record({
  annotations: hostileRecord,
  podName: hostileValue,
  secretProviderClassName: hostileValue,
  objects: fc.oneof(
    hostileValue,
    fc.array(fc.oneof(hostileValue, fc.record({ id: hostileValue, version: hostileValue })), { maxLength: 4 }),
  ),
})

test('whatever tenants write, every view has rows without control characters, of bounded length, with keys that differ', () => {
  fc.assert(
    fc.property(
      fc.array(hostileMount, { maxLength: 4 }),
      fc.array(hostileText, { maxLength: 3 }),
      hostileRecord,
      (mounts, messages, parameters) => {
        const objects = objectsOf(
          ...mounts.map(({ annotations, ...status }, i) => {
            const one = mount(`p${i}`)
            return { ...one, metadata: { ...one.metadata, annotations }, status } as unknown as KubeObject &
              Record<string, unknown>
          }),
          ...messages.map((message, i) => event('FailedMount', `p${i}`, message)),
          pod('p0', { phase: 'Pending' }),
          classOf(parameters),
        )
        const rows = rowsOf(objects, context, viewNames)
        for (const name of viewNames) {
          const view = viewOf(name)
          const list = rows[name]
          assert.equal(new Set(list.map(({ key }) => key)).size, list.length, 'keys differ')
          const lines = tableLines(view, list, { isWide: true, nowMs, hidden: 0 }, { style: plain, width: 80 })
          for (const line of lines) assert.doesNotMatch(line, /[\p{Cc}\p{Cf}]/u)
          assert.doesNotMatch(
            JSON.stringify(list.map(({ key: _, ...row }) => row)),
            /\\u00[01][0-9a-f]|\\[nrtbf]|[\u202a-\u202e]/,
          )
          for (const text of textsOf(list))
            assert.ok(text.length <= 3 * statusLimits.text.value, `${text.length} characters`)
        }
      },
    ),
    { numRuns: 300 },
  )
})

const same = (text: string) => text
const plain = { good: same, bad: same, dim: same, strong: same, command: same }

function textsOf(value: unknown): string[] {
  if (typeof value === 'string') return [value]
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(textsOf) : []
}

test('a text is cut off at its limit, and a command that would have to be cut or changed is left out', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 50 }), fc.integer({ min: 1, max: 60 }), (text, most) => {
      const clean = cleanText(text, most)
      assert.ok(clean.length <= most)
      assert.doesNotMatch(clean, /[\p{Cc}\p{Cf}]/u)
      assert.equal(cleanText(clean, most), clean)
    }),
  )
  assert.deepEqual(cleanCommands(['echo a', 'echo a\nreboot', `echo ${'a'.repeat(3000)}`, 'echo \u202Ea', '']), [
    'echo a',
  ])
})

const volume = fc.record({
  key: fc.uuid(),
  state: fc.constantFrom('fresh', 'failing', 'stale'),
  tone: fc.constantFrom('good', 'bad'),
  namespace: fc.constantFrom('shop', 'shop-test', 'web'),
  pod: fc.constantFrom('a', 'b', 'c'),
  workload: fc.constantFrom('deployment/a', 'pod/b'),
  class: fc.constantFrom('db', 'db-admin'),
  node: fc.constantFrom('n1', 'n2'),
  objectCount: fc.nat(9),
  created: fc.constantFrom(ago(10), ago(100), null),
}) as fc.Arbitrary<Partial<VolumeRow>> as fc.Arbitrary<VolumeRow>

test('a filter lets a row through or holds it back, and its negation the other way round', () => {
  const value = fc.constantFrom('shop', 'failing', 'db', 'a,b', 'n1')
  const ofColumn = fc.tuple(fc.constantFrom('ns', 'state', 'class', 'pod', 'node'), fc.constantFrom(':', '='), value)
  const term = fc.oneof(
    value,
    ofColumn.map((parts) => parts.join('')),
  )
  fc.assert(
    fc.property(fc.array(volume), term, (rows, word) => {
      const found = (text: string) => filterRows(views.volumes, rows, parseFilter(text, viewOf('volumes')), nowMs)
      assert.equal(found(word).length + found(`-${word}`).length, rows.length)
      assert.deepEqual(found(`${word} ${word}`), found(word))
      assert.deepEqual(found(''), rows)
    }),
  )
})

test('filters: a name finds its column or an alias, = the whole text; one that the view does not have finds nothing', () => {
  const rows = ['shop', 'shop-test', 'web'].map(
    (namespace) => ({ ...volumesOf(objectsOf(mount('a')))[0], namespace }) as VolumeRow,
  )
  const found = (text: string) =>
    filterRows(views.volumes, rows, parseFilter(text, viewOf('volumes')), nowMs).map(({ namespace }) => namespace)
  assert.deepEqual(found('ns:shop'), ['shop', 'shop-test'])
  assert.deepEqual(found('ns=shop'), ['shop'])
  assert.deepEqual(found('namespace:web,test'), ['shop-test', 'web'])
  assert.deepEqual(found('-ns:shop'), ['web'])
  assert.deepEqual(found('NS:Shop state:fresh'), ['shop', 'shop-test'])
  assert.deepEqual(found('colour:red'), [])
  assert.deepEqual(parseFilter('colour:red', viewOf('volumes')).unknown, ['colour'])
  // A term whose value is still being typed holds nothing back.
  assert.deepEqual(found('ns:'), ['shop', 'shop-test', 'web'])
})

test('rows are sorted by any column in both directions, and stay the same set', () => {
  const column = fc.constantFrom(...views.volumes.columns.map(({ id }) => id))
  fc.assert(
    fc.property(fc.array(volume), column, (rows, id) => {
      const up = sortRows(views.volumes, rows, id)
      const down = sortRows(views.volumes, rows, `-${id}`)
      assert.deepEqual(new Set(up), new Set(rows))
      assert.equal(down.length, rows.length)
      const { order } = views.volumes.columns.find((one) => one.id === id) ?? {}
      const orders = up.map((row) => order?.(row) ?? '')
      assert.deepEqual(
        orders,
        orders.toSorted((a, b) => (a < b ? -1 : a > b ? 1 : 0)),
      )
    }),
  )
})

test('ages have one unit, and times to come begin with "in"', () => {
  const ages = [0, 5, 119, 120, 7199, 7200, 172_799, 172_800].map((seconds) => shortAge(ago(seconds), nowMs))
  assert.deepEqual(ages, ['0s', '5s', '119s', '2m', '119m', '2h', '47h', '2d'])
  assert.equal(shortAge(ago(-300), nowMs), 'in 5m')
  assert.equal(shortAge(null, nowMs), '')
  assert.equal(shortAge('no time', nowMs), '')
})

test('the next check is in the future, or has passed and is shown so', () => {
  const next = viewOf('volumes').columns.find(({ id }) => id === 'next')
  const text = (nextCheck: string, more: Partial<VolumeRow> = {}) =>
    next?.text({ nextCheck, lastCheck: null, ...more } as never, Date.parse('2026-01-01T12:00:00Z'))
  assert.equal(text('2026-01-01T12:05:00Z'), 'in 5m')
  assert.equal(text('2026-01-01T11:59:06Z'), '54s ago')
  const lastCheck = '2026-01-01T11:57:06Z'
  assert.equal(text('2026-01-01T11:59:06Z', { lastCheck, state: 'fresh' }), 'in 66s', 'the interval is two minutes')
  assert.equal(text('2026-01-01T11:59:06Z', { lastCheck, state: 'overdue' }), '54s ago')
})

test('a problem has its whole text and its commands below its row', () => {
  const long = `failed to mount objects: ${'word '.repeat(30)}end`
  const row = {
    key: 'a',
    tone: 'bad',
    state: 'error',
    code: 'vault-missing',
    where: 'db',
    since: null,
    affectedCount: 1,
  }
  const lines = tableLines(
    viewOf('problems'),
    [{ ...row, text: long, fix: ['keymount doctor pod/web -n shop'] } as never],
    { isWide: false, nowMs: 0, hidden: 1 },
    { style: plain, width: 80 },
  )
  assert.match(lines[1] ?? '', /…$/)
  assert.equal(
    lines
      .slice(2, -1)
      .map((line) => line.trim())
      .join(' '),
    long,
  )
  assert.equal(lines.at(-1), '    → keymount doctor pod/web -n shop')
})
