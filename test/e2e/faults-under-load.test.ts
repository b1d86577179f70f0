import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it, type TestContext } from 'node:test'
import { promisify } from 'node:util'
import { stringify } from 'yaml'
import { execInPod, ifFound, loadKubeconfig, type Pod, resources } from '#kubernetes/client'
import { sleep } from '#lib'
import { until } from '../support/eventually.ts'
import { createHelmRelease, type HelmRelease } from '../support/helm-release.ts'
import { findClusterProcesses } from './cluster-processes.ts'
import { noHelm, noNodeHost, realClusterOnly } from './real-cluster-only.ts'

/**
 * Faults of a node while pods read all the time and the secret changes every two seconds. Every reader checks that each file
 * it reads is one complete version, that two files of one volume are of one version, and that versions never go back.
 *
 * Takes about a quarter of an hour and a cluster whose programs run on this machine: `npm run faults` with its KUBECONFIG.
 */
const processes = process.env.KUBECONFIG === undefined ? undefined : findClusterProcesses(process.env.KUBECONFIG)
const asked = process.env.KEYMOUNT_FAULTS === '1' ? undefined : 'takes a quarter of an hour: npm run faults'
const noProcesses = processes === undefined ? 'needs a cluster whose programs run on this machine' : undefined
const options = realClusterOnly('faults of a node need a real cluster', asked, noHelm, noNodeHost, noProcesses)

const mountPath = '/mnt/secrets-store'
const linesPerFile = 100
const readers = ['reader-1', 'reader-2', 'reader-3', 'reader-4']
const hoursMs = 3_600_000

/** Two files of one secret, so that they belong together. */
const textOf = (version: number) => {
  const line = `${String(version).padStart(8, '0')} ${'x'.repeat(60)}`
  const text = Array.from({ length: linesPerFile }, () => line).join('\n')
  return JSON.stringify({ a: text, b: text })
}

/**
 * Reads a, b and a again. A file whose lines differ, or are fewer than there must be, is torn; b of another version than both
 * reads of a is mixed; an older version than the last one has gone back. Any of them ends the container with status 3.
 */
const readerProgram = `
function read(name,   path, line, first, count, status) {
  path = "${mountPath}/" name; count = 0
  while ((status = (getline line < path)) > 0) { if (count++ == 0) first = line; else if (line != first) fail("torn") }
  close(path)
  if (status < 0) { gone++; return "" }
  if (count != ${linesPerFile}) fail("torn after " count " lines")
  reads++
  return first
}
function fail(what) { print what " after " reads " reads" > "/dev/termination-log"; close("/dev/termination-log"); exit 3 }
BEGIN {
  last = ""
  for (;;) {
    one = read("a"); two = read("b"); three = read("a")
    if (one != "" && one == three && two != "" && two != one) fail("mixed")
    if (three != "" && three < last) fail("back from " substr(last, 1, 8) " to " substr(three, 1, 8))
    if (three != "") last = three
    if (reads - reported >= 3000) {
      reported = reads
      print reads, gone + 0, substr(last, 1, 8) > "/tmp/report"; close("/tmp/report")
      system("usleep 150000")
    }
  }
}`

/**
 * Runs in the driver: SIGUSR2 sets its wall clock eight hours back, then eight hours ahead, then right again. The monotonic
 * clock of a machine does not move when its wall clock is set.
 */
const clockModule = `data:text/javascript,${encodeURIComponent(`
const offsets = [0, ${-8 * hoursMs}, ${8 * hoursMs}]
let at = 0
const Wall = Date
const now = () => Wall.now() + offsets[at]
globalThis.Date = class Date extends Wall {
  constructor(...words) { super(...(words.length === 0 ? [now()] : words)) }
  static now() { return now() }
}
process.on('SIGUSR2', () => { at = (at + 1) % offsets.length })
`)}`

const run = promisify(execFile)

interface Report {
  reads: number
  gone: number
  version: number
}

describe('faults under load', options, () => {
  let release: HelmRelease
  let context: TestContext
  let version = 1
  let writing = true
  let writer: Promise<void> = Promise.resolve()
  let hooks: (() => unknown)[] = []
  const kubeConfig = options.skip === undefined ? loadKubeconfig(process.env.KUBECONFIG ?? '') : undefined

  before(async () => {
    context = { after: (hook: () => unknown) => void hooks.push(hook) } as unknown as TestContext
    release = await createHelmRelease(context, {
      objects: ['data'],
      values: {
        rotationPollInterval: '2s',
        syncSecret: { enabled: true },
        linux: { driver: { env: [{ name: 'NODE_OPTIONS', value: `--import=${clockModule}` }] } },
      },
    })
    await release.setSecret(textOf(version))
    await release.install()
    await declareClass()
    writer = write()
    for (const name of readers) await startReader(name)
    for (const name of readers) await release.podReady(name)
  })

  after(async () => {
    writing = false
    await writer
    for (const hook of hooks.toReversed()) await hook()
    hooks = []
  })

  it('a volume that is full gets room, and one that can have none keeps its old files until it can', async () => {
    const [mount] = volumesOf(await uidOf('reader-1'))
    assert.ok(mount !== undefined)
    const filler = join(mount, 'filler')
    const { bavail, bsize } = statfsSync(mount)
    writeFileSync(filler, Buffer.alloc(bavail * bsize))
    await everyReaderFollows()
    rmSync(filler)

    // The driver raises the size of a volume, and never the number of its files.
    const { files, ffree } = statfsSync(mount)
    await run('mount', ['-o', `remount,nr_inodes=${files - ffree}`, mount])
    try {
      await until('a failed rotation', async () => (await events('MountRotationFailed')).length > 0)
      await sleep(2000)
      const stuck = await report('reader-1')
      await sleep(15_000)
      assert.equal((await report('reader-1')).version, stuck.version, 'a full volume has new files')
    } finally {
      await run('mount', ['-o', 'remount,nr_inodes=10000', mount])
    }
    await everyReaderFollows()
  })

  it("no room in kubelet's directory keeps a new pod waiting, and it starts when there is room", async () => {
    // The directory of a pod that is not scheduled yet is made to be on a full file system.
    await startReader('late', { schedulingGates: [{ name: 'e2e.keymount.dev/room' }] })
    const directory = join(kubeletRoot(), 'pods', await uidOf('late'))
    mkdirSync(directory, { recursive: true, mode: 0o750 })
    await run('mount', ['-t', 'tmpfs', '-o', 'size=64k,nr_inodes=2', 'tmpfs', directory])
    try {
      writeFileSync(join(directory, 'filler'), '')
      const ref = { namespace: release.namespace, name: 'late' }
      await release.kube.patch(resources.pods, ref, { spec: { schedulingGates: [] } })
      await sleep(15_000)
      assert.notEqual((await podOf('late'))?.status?.phase, 'Running')
      await everyReaderFollows()
      await run('mount', ['-o', 'remount,size=64m,nr_inodes=10000', directory])
      await release.podReady('late')
      await release.deletePod('late')
    } finally {
      await run('umount', ['-l', directory])
      rmSync(directory, { recursive: true, force: true })
    }
  })

  it('a driver and a provider without file descriptors live on, and recover', async () => {
    for (const app of ['secrets-store-csi-driver', 'secrets-store-provider-azure'] as const) {
      const pid = await pidOf(app)
      const open = readdirSync(`/proc/${pid}/fd`).length
      await run('prlimit', ['--pid', String(pid), `--nofile=${open}:`])
      try {
        await startReader(`starved-${app.slice(-6)}`)
        await sleep(15_000)
      } finally {
        await run('prlimit', ['--pid', String(pid), '--nofile=1024:'])
      }
      await release.podReady(`starved-${app.slice(-6)}`)
      await release.deletePod(`starved-${app.slice(-6)}`)
      await everyReaderFollows()
    }
  })

  it('a provider that hangs for three minutes leaves the files, and rotation continues afterwards', async () => {
    const pid = await pidOf('secrets-store-provider-azure')
    process.kill(pid, 'SIGSTOP')
    try {
      await sleep(180_000)
    } finally {
      continueProcess(pid)
    }
    await everyReaderFollows()
  })

  it('rotation goes on while the API server is away for two minutes', async () => {
    const start = await processes?.stopApiServer(2000)
    try {
      await sleep(120_000)
    } finally {
      start?.()
    }
    await until('the API server', async () => (await release.kube.raw({ method: 'GET', path: '/readyz' })) === 'ok')
    await everyReaderFollows()
  })

  it('rotation goes on when the clock is set back and forward by eight hours', async () => {
    for (const offset of [-8 * hoursMs, 8 * hoursMs, 0]) {
      process.kill(await pidOf('secrets-store-csi-driver'), 'SIGUSR2')
      await everyReaderFollows(`the clock is off by ${offset / hoursMs} h`)
    }
  })

  it('three hundred pods come and go while the driver is killed every ten seconds, and nothing is left behind', async () => {
    const killing = killDriver()
    const started = performance.now()
    const gone: Promise<void>[] = []
    for (let i = 0; i < 300; i++) {
      await sleep(Math.max(0, started + i * 200 - performance.now()))
      gone.push(comeAndGo(`short-${i}`))
    }
    await killing
    await Promise.all(gone)
    await everyReaderFollows()

    const total = { reads: 0, gone: 0 }
    for (const name of readers) {
      const { reads, gone: absent } = await report(name)
      total.reads += reads
      total.gone += absent
    }
    console.log(
      `${total.reads} reads by ${readers.length} pods, ${total.gone} of them while a directory was replaced, none torn, mixed or back`,
    )
    assert.ok(total.reads >= 1_000_000, `only ${total.reads} reads`)

    await Promise.all(readers.map((name) => release.deletePod(name)))
    await until('nothing left', async () => {
      assert.deepEqual(mounts(), [])
      const [statuses, secrets] = await Promise.all([
        release.kube.list(resources.secretProviderClassPodStatuses, { namespace: release.namespace }),
        release.kube.list(resources.secrets, { namespace: release.namespace }),
      ])
      assert.deepEqual(
        statuses.items.map(({ metadata }) => metadata.name),
        [],
      )
      assert.deepEqual(
        secrets.items.map(({ metadata }) => metadata.name).filter((name) => name === 'synced'),
        [],
      )
      return true
    })
  })

  async function declareClass(): Promise<void> {
    const ref = { namespace: release.namespace, name: 'app' }
    const { spec, ...rest } = await release.kube.get(resources.secretProviderClasses, ref)
    const files = ['a', 'b'].map((key) => ({ path: `$.${key}`, objectAlias: key }))
    const object = { objectName: 'data', objectType: 'secret', jsonPath: files }
    await release.kube.replace(resources.secretProviderClasses, {
      ...rest,
      spec: {
        ...(spec ?? {}),
        parameters: { ...spec?.parameters, objects: stringify([object]) },
        secretObjects: [{ secretName: 'synced', type: 'Opaque', data: [{ objectName: 'a', key: 'a' }] }],
      },
    })
  }

  async function write(): Promise<void> {
    while (writing) {
      version++
      await release.setSecret(textOf(version))
      await sleep(2000)
    }
  }

  async function startReader(name: string, overrides: object = {}): Promise<void> {
    const command = ['/bin/busybox', 'awk', readerProgram]
    await release.createPod(name, { command, spec: { restartPolicy: 'Never', ...overrides } })
  }

  function podOf(name: string): Promise<Pod | undefined> {
    return ifFound(release.kube.get(resources.pods, { namespace: release.namespace, name }))
  }

  async function uidOf(name: string): Promise<string> {
    return (await podOf(name))?.metadata.uid ?? ''
  }

  async function report(name: string): Promise<Report> {
    assert.ok(kubeConfig !== undefined)
    const where = { namespace: release.namespace, pod: name, container: undefined, command: ['cat', '/tmp/report'] }
    const { stdout } = await execInPod(kubeConfig, where)
    const [reads = 0, gone = 0, seen = 0] = stdout.trim().split(' ').map(Number)
    return { reads, gone, version: seen }
  }

  /** A reader that has found something wrong has ended. */
  async function assertReads(name: string): Promise<void> {
    const ended = (await podOf(name))?.status?.containerStatuses?.[0]?.state?.terminated
    assert.equal(ended, undefined, `${name}: ${JSON.stringify(ended)}`)
  }

  /** Every reader still reads, found nothing wrong, and has a version that was written after this call. */
  async function everyReaderFollows(when = 'now'): Promise<void> {
    const wanted = version + 1
    for (const name of readers) {
      await until(
        `${name} to read version ${wanted} (${when})`,
        async () => {
          await assertReads(name)
          return (await report(name)).version >= wanted
        },
        { withinMs: 200_000, everyMs: 1000 },
      )
    }
  }

  async function events(reason: string) {
    const { items } = await release.kube.list(resources.events, { namespace: release.namespace })
    return items.filter((event) => event.reason === reason)
  }

  async function productPod(app: string): Promise<Pod> {
    return until(`a running pod of ${app}`, async () => {
      const { items } = await release.kube.list(resources.pods, {
        namespace: release.namespace,
        labelSelector: `app=${app}`,
      })
      return items.find(
        ({ metadata, status }) => metadata.deletionTimestamp === undefined && status?.phase === 'Running',
      )
    })
  }

  async function pidOf(app: string): Promise<number> {
    return until(`the process of ${app}`, async () => processes?.pidOf(await productPod(app)))
  }

  /** Mount points of this release's volumes on this machine. */
  function mounts(): string[] {
    const table = readFileSync('/proc/self/mountinfo', 'utf8').split('\n')
    const points = table.map((line) => line.split(' ')[4] ?? '')
    return points.filter(
      (point) => point.startsWith(kubeletRoot()) && point.includes('/volumes/kubernetes.io~csi/secrets/'),
    )
  }

  function volumesOf(uid: string): string[] {
    return mounts().filter((point) => point.includes(`/pods/${uid}/`))
  }

  /** Six times in a minute. Its pod goes too: kubelet would wait longer after each crash, up to five minutes. */
  async function killDriver(): Promise<void> {
    for (let i = 0; i < 6; i++) {
      await sleep(10_000)
      const { name = '' } = (await productPod('secrets-store-csi-driver')).metadata
      const pid = await pidOf('secrets-store-csi-driver')
      process.kill(pid, 'SIGKILL')
      await release.kube.delete(resources.pods, { namespace: release.namespace, name }, { gracePeriodSeconds: 0 })
    }
  }

  async function comeAndGo(name: string): Promise<void> {
    await startReader(name)
    await sleep(10_000)
    await assertReads(name)
    await release.kube.delete(resources.pods, { namespace: release.namespace, name }, { gracePeriodSeconds: 1 })
    await until(`pod ${name} gone`, async () => (await podOf(name)) === undefined, { withinMs: 900_000, everyMs: 2000 })
  }
})

/** kubelet kills a program that does not answer its liveness probe, and then there is none to continue. */
function continueProcess(pid: number): void {
  try {
    process.kill(pid, 'SIGCONT')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

function kubeletRoot(): string {
  return process.env.KUBELET_ROOT ?? '/var/lib/kubelet'
}
