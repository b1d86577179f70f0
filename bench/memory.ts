/**
 * Memory of the two daemons of a node as the image runs them, together: idle, and with 100 volumes of 10 objects mounted.
 * Both processes run from the same files, which nobody else runs, so the sum of their proportional set sizes is what they
 * cost the node. Aim: idle under 95 MiB. The field's four processes, on a real cluster: 103 MiB idle, 118 with 50 volumes.
 * The last line is JSON.
 */
import { randomUUID } from 'node:crypto'
import { mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { createLinuxMounter } from '../src/driver/index.ts'
import { buildRootfs, environment, nodeFlags, programDirectory } from '../src/image/index.ts'
import { customResourceDefinitions } from '../test/support/custom-resources.ts'
import { podVolume, unary } from '../test/support/driver.ts'
import { startDriverProcess } from '../test/support/driver-process.ts'
import { startLocalCluster } from '../test/support/local-cluster.ts'
import { objectsOf } from '../test/support/provider.ts'
import { appSubject, startProviderLabProcess } from '../test/support/provider-lab.ts'
import { createCleanup } from './support/cleanup.ts'
import { startProviderDaemon } from './support/provider-daemon.ts'
import { rounded } from './support/statistics.ts'

const volumes = 100
const objects = 10
const audience = 'api://AzureADTokenExchange'
const keyvaultName = 'bench-memory'
/** V8 gives memory back some ten seconds after the last work. */
const quietMs = 20_000

const cleanup = createCleanup()
try {
  const packageRoot = join(import.meta.dirname, '..')
  const root = realpathSync(mkdtempSync(join(tmpdir(), 'keymount-bench-')))
  cleanup.t.after(() => rmSync(root, { recursive: true, force: true }))
  const image = await buildRootfs(join(packageRoot, 'dist/image'))
  const node = join(image.path, 'usr/local/bin/node')
  const program = (name: string) => [join(image.path, programDirectory, 'start.cjs'), name]

  const cluster = await startLocalCluster(cleanup.t)
  const issuerCa = join(root, 'issuer-ca.pem')
  writeFileSync(issuerCa, cluster.ca)
  const lab = await startProviderLabProcess(cleanup.t, { issuerCaFiles: [issuerCa] })
  await installClass()

  process.env['MALLOC_ARENA_MAX'] = environment['MALLOC_ARENA_MAX']
  const kubeconfig = `--kubeconfig=${cluster.kubeconfig}`
  const provider = await startProviderDaemon(cleanup.t, lab, {
    node,
    program: program('provider'),
    flags: [kubeconfig],
  })
  linkSocket(provider.socket)
  const driver = await startDriverProcess({
    root,
    kubeconfig: cluster.kubeconfig,
    command: [node, ...nodeFlags, ...program('driver')],
    flags: ['--enable-secret-rotation=true', '--metrics-addr=127.0.0.1:0', '--health-addr=127.0.0.1:0'],
  })
  const kubeletRoot = join(root, 'kubelet')
  cleanup.t.after(async () => {
    await driver.stop()
    await unmountAll(kubeletRoot)
  })

  const look = (): Row => {
    const [d, p] = [driver.memory(), provider.memory()]
    return { driver: d.pss, provider: p.pss, sum: rounded(d.pss + p.pss), private: rounded(d.anonymous + p.pssAnon) }
  }
  await wait(quietMs)
  const idle = look()
  await mountAll()
  const busy = look()
  await wait(quietMs)
  const mounted = look()

  console.table({ idle, [`right after ${volumes} mounts`]: busy, [`${volumes} volumes mounted`]: mounted })
  console.log(JSON.stringify({ bench: 'memory', volumes, objects, idle, busy, mounted, aim: { idle: 95 } }))

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

  /** As kubelet does on a node that fills up: a pod each, with a token of its own. */
  async function mountAll(): Promise<void> {
    for (let done = 0; done < volumes; done += 10) {
      await Promise.all(
        Array.from({ length: 10 }, async () => {
          const name = `pod-${randomUUID().slice(0, 8)}`
          const pod = await create('/api/v1/namespaces/default/pods', {
            apiVersion: 'v1',
            kind: 'Pod',
            metadata: { name },
            spec: { nodeName: 'node-1', serviceAccountName: 'app', containers: [{ name: 'app', image: 'busybox' }] },
          })
          const { uid } = pod.metadata
          const volume = podVolume({
            kubeletRoot,
            name,
            namespace: 'default',
            uid,
            className: 'web',
            volume: 'secrets',
          })
          volume.request.volumeContext['csi.storage.k8s.io/serviceAccount.name'] = 'app'
          volume.request.volumeContext['csi.storage.k8s.io/serviceAccount.tokens'] = await tokensFor(name, uid)
          await unary(driver.node, driver.node.nodePublishVolume, volume.request)
        }),
      )
    }
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

/** MiB. */
interface Row {
  driver: number
  provider: number
  sum: number
  /** Of the sum, what is not pages of files. */
  private: number
}

async function unmountAll(kubeletRoot: string): Promise<void> {
  const mounter = createLinuxMounter()
  for (const path of await mounter.mounted()) if (path.startsWith(kubeletRoot)) await mounter.unmount(path)
}
