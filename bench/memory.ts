/**
 * Memory of a node's daemons as the image runs them, together: idle, with 100 volumes of 10 objects mounted, and after
 * kubelet has repeated the mounts a few times. All processes run from the same files, which no other process runs, so the sum of
 * their proportional set sizes is what they cost the node. Aims: idle under 95 MiB and with 50 volumes under 110; one process
 * (`--combined`) under 75 and 85. The four processes of the upstream projects, on a real cluster: 103 MiB idle, 118 with 50 volumes.
 * The last line is JSON.
 *
 *   node bench/memory.ts [--combined] [--volumes 100] [--republishes 5]
 */

import { randomUUID } from 'node:crypto'
import { realpathSync, symlinkSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { parseArgs } from 'node:util'
import { sleep } from '#lib'
import { buildRootfs, environment, nodeFlags, programDirectory } from '#packaging/image'
import { createLinuxMounter } from '#product/driver'
import { customResourceDefinitions } from '../test/support/custom-resources.ts'
import { unary } from '../test/support/driver.ts'
import { type DriverProcess, startDriverProcess } from '../test/support/driver-process.ts'
import { startLocalCluster } from '../test/support/local-cluster.ts'
import { podVolume, type TestPod } from '../test/support/pod-volume.ts'
import { objectsOf } from '../test/support/provider.ts'
import { appSubject, startProviderLabProcess } from '../test/support/provider-lab.ts'
import { temporaryDirectory } from '../test/support/temporary-directory.ts'
import { createCleanup } from './support/cleanup.ts'
import { startProviderDaemon } from './support/provider-daemon.ts'
import { rounded } from './support/statistics.ts'

const { values: options } = parseArgs({
  options: {
    combined: { type: 'boolean', default: false },
    volumes: { type: 'string', default: '100' },
    republishes: { type: 'string', default: '5' },
  },
})
const { combined } = options
const volumes = Number(options.volumes)
const republishes = Number(options.republishes)
const objects = 10
const audience = 'api://AzureADTokenExchange'
const keyvaultName = 'bench-memory'
/** Garbage of the last work is collected within half a minute. */
const quietMs = 35_000
const republishMs = 2000

const cleanup = createCleanup()
try {
  const packageRoot = join(import.meta.dirname, '..')
  const root = realpathSync(temporaryDirectory(cleanup.t, 'keymount-bench-'))
  const image = await buildRootfs(join(packageRoot, 'dist/image'))
  const node = join(image.path, 'usr/local/bin/node')
  const program = (name: string) => [join(image.path, programDirectory, 'start.cjs'), name]

  const cluster = await startLocalCluster(cleanup.t)
  const issuerCa = join(root, 'issuer-ca.pem')
  writeFileSync(issuerCa, cluster.ca)
  const lab = await startProviderLabProcess(cleanup.t, { issuerCaFiles: [issuerCa] })
  await installClass()

  const kubeletRoot = join(root, 'kubelet')
  cleanup.t.after(() => unmountAll(kubeletRoot))
  const { call, look } = combined ? await oneProcess() : await twoProcesses()

  await sleep(quietMs)
  const idle = look()
  const pods = await createPods()
  await publishAll()
  const busy = look()
  await sleep(quietMs)
  const mounted = look()
  for (let round = 0; round < republishes; round++) {
    await publishAll()
    await sleep(republishMs)
  }
  await sleep(quietMs)
  const republished = look()

  console.table({
    idle,
    [`right after ${volumes} mounts`]: busy,
    [`${volumes} volumes mounted`]: mounted,
    [`after ${republishes} republishes of each`]: republished,
  })
  const sizes = { combined, volumes, objects, republishes }
  console.log(JSON.stringify({ bench: 'memory', ...sizes, idle, busy, mounted, republished }))

  async function twoProcesses(): Promise<Daemons> {
    process.env.MALLOC_ARENA_MAX = environment.MALLOC_ARENA_MAX
    const flags = [`--kubeconfig=${cluster.kubeconfig}`]
    const provider = await startProviderDaemon(cleanup.t, lab, { node, program: program('provider'), flags })
    linkSocket(provider.socket)
    const driver = await startDriver('driver', [])
    return {
      call: driver.node,
      look() {
        const [d, p] = [driver.memory(), provider.memory()]
        return {
          driver: d.pss,
          provider: p.pss,
          sum: rounded(d.pss + p.pss),
          private: rounded(d.anonymous + p.pssAnon),
        }
      },
    }
  }

  async function oneProcess(): Promise<Daemons> {
    const ca = join(root, 'azure-ca.pem')
    writeFileSync(ca, lab.http.ca ?? '')
    Object.assign(process.env, environment, lab.http.proxyEnv, { NO_PROXY: '127.0.0.1', SSL_CERT_FILE: ca })
    const socket = join(root, 'providers/azure.sock')
    const node = await startDriver('node', [
      `--provider-endpoint=unix://${socket}`,
      '--healthz-port=0',
      '--prometheus-port=0',
    ])
    return {
      call: node.node,
      look() {
        const { pss, anonymous } = node.memory()
        return { sum: pss, private: anonymous }
      },
    }
  }

  /** The driver, alone or with the provider in its process. */
  async function startDriver(name: string, flags: readonly string[]): Promise<DriverProcess> {
    const driver = await startDriverProcess({
      root,
      kubeconfig: cluster.kubeconfig,
      command: [node, ...nodeFlags, ...program(name)],
      flags: ['--enable-secret-rotation=true', '--metrics-addr=127.0.0.1:0', '--health-addr=127.0.0.1:0', ...flags],
    })
    cleanup.t.after(driver.stop)
    return driver
  }

  /** A class of ten secrets, and an identity that may read them with the tokens of the service account default/app. */
  async function installClass(): Promise<void> {
    const identity = await lab.createReadableVault(keyvaultName)
    await lab.azure.federate(identity, { issuer: cluster.issuer, subject: appSubject })
    const names = Array.from({ length: objects }, (_, i) => `secret-${i}`)
    for (const name of names) await lab.azure.setSecret(keyvaultName, name, `value of ${name}`)
    for (const definition of customResourceDefinitions) {
      await cluster.request('POST', '/apis/apiextensions.k8s.io/v1/customresourcedefinitions', definition)
    }
    await create('/api/v1/namespaces/default/serviceaccounts', {
      apiVersion: 'v1',
      kind: 'ServiceAccount',
      metadata: { name: 'app' },
    })
    const { tenantId } = lab.azure.administrator
    await create('/apis/secrets-store.csi.x-k8s.io/v1/namespaces/default/secretproviderclasses', {
      apiVersion: 'secrets-store.csi.x-k8s.io/v1',
      kind: 'SecretProviderClass',
      metadata: { name: 'web' },
      spec: {
        provider: 'azure',
        parameters: {
          keyvaultName,
          tenantID: tenantId,
          clientID: identity.clientId,
          objects: objectsOf(...names.map((objectName) => ({ objectName, objectType: 'secret' }))),
        },
      },
    })
  }

  function createPods(): Promise<TestPod[]> {
    return Promise.all(
      Array.from({ length: volumes }, async () => {
        const name = `pod-${randomUUID().slice(0, 8)}`
        const { metadata } = await create('/api/v1/namespaces/default/pods', {
          apiVersion: 'v1',
          kind: 'Pod',
          metadata: { name },
          spec: { nodeName: 'node-1', serviceAccountName: 'app', containers: [{ name: 'app', image: 'busybox' }] },
        })
        const ids = { name, namespace: 'default', uid: metadata.uid }
        return podVolume({ kubeletRoot, ...ids, className: 'web', volume: 'secrets' })
      }),
    )
  }

  /** As kubelet does when the node fills up, and once a minute from then on: each pod with a new token of its own. */
  async function publishAll(): Promise<void> {
    const queue = pods.values()
    const worker = async () => {
      for (const { request, name, uid } of queue) {
        request.volumeContext['csi.storage.k8s.io/serviceAccount.name'] = 'app'
        request.volumeContext['csi.storage.k8s.io/serviceAccount.tokens'] = await tokensFor(name, uid)
        await unary(call, call.nodePublishVolume, request)
      }
    }
    await Promise.all(Array.from({ length: 10 }, worker))
  }

  async function tokensFor(pod: string, uid: string): Promise<string> {
    const { status } = await create('/api/v1/namespaces/default/serviceaccounts/app/token', {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenRequest',
      spec: { audiences: [audience], boundObjectRef: { kind: 'Pod', apiVersion: 'v1', name: pod, uid } },
    })
    return JSON.stringify({ [audience]: status })
  }

  async function create(path: string, object: unknown) {
    const { status, body } = await cluster.request('POST', path, object)
    if (status >= 300) throw new Error(`POST ${path}: ${status} ${JSON.stringify(body)}`)
    return body
  }

  /** Where the driver looks for it. */
  function linkSocket(socket: string): void {
    symlinkSync(dirname(socket), join(root, 'providers'))
    if (basename(socket) !== 'azure.sock') throw new Error(`the provider listens on ${socket}`)
  }
} finally {
  await cleanup.run()
}

interface Daemons {
  /** Calls the driver. */
  call: DriverProcess['node']
  look(): Row
}

/** MiB. */
interface Row {
  driver?: number
  provider?: number
  sum: number
  /** Of the sum, what is not pages of files. */
  private: number
}

async function unmountAll(kubeletRoot: string): Promise<void> {
  const mounter = createLinuxMounter()
  for (const path of await mounter.mounted()) if (path.startsWith(kubeletRoot)) await mounter.unmount(path)
}
