import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { promisify } from 'node:util'
import { parse, stringify } from 'yaml'
import {
  createKubeClient,
  type DaemonSet,
  execInPod,
  isNotFound,
  type KubeClient,
  type KubeConfig,
  loadKubeconfig,
  resources,
  type UntypedObject,
} from '../../src/kube/index.ts'
import { chartDirectory, helm } from '../chart/helm.ts'
import { startLocalAzure, type TestAzure } from '../support/local-azure.ts'
import { eventually } from './wait.ts'

/**
 * The chart's life on a real cluster, as a release of its own beside whatever is installed there: a second driver with
 * its own name, and a provider with its own socket, ports and way to a local Azure.
 */
const { KEYMOUNT_E2E, KUBECONFIG, KUBELET_ROOT, NODE_HOST, KEYMOUNT_IMAGE } = process.env

function reasonToSkip(): string | undefined {
  if (KEYMOUNT_E2E !== 'real') return 'helm needs a real cluster: npm run e2e'
  if (helm === undefined) return 'helm not found: put it on the PATH or name it in KEYMOUNT_HELM'
  if (NODE_HOST === undefined) return 'NODE_HOST has to say by which address pods reach this machine'
  return undefined
}

const skip = reasonToSkip()

test(
  'helm installs, upgrades, rolls back and uninstalls, and a running pod keeps its files',
  skip === undefined ? {} : { skip },
  async (t) => {
    const world = await createWorld(t)
    const { kube, namespace, run } = world

    await run('install', world.release, chartDirectory, '-f', world.valuesFile)
    await world.setSecret('first')
    await world.startPod('app')
    assert.equal(await world.read('app'), 'first')

    await run('upgrade', world.release, chartDirectory, '-f', world.valuesFile, '--set', 'logVerbosity=4')
    assert.ok((await driverArguments(kube, namespace)).includes('-v=4'))
    assert.equal(await world.read('app'), 'first')
    await world.setSecret('second')
    await eventually(
      'the file to follow with the driver that was upgraded',
      async () => (await world.read('app')) === 'second' || undefined,
    )

    await run('rollback', world.release, '1')
    assert.ok((await driverArguments(kube, namespace)).includes('-v=0'))
    assert.equal(await world.read('app'), 'second')

    await world.deletePod('app')
    await run('uninstall', world.release)
    assert.deepEqual((await kube.list(resources.daemonSets, { namespace })).items, [])
    assert.equal(await exists(kube.get(resources.csiDrivers, { name: world.driver })), false)
    await kube.get(resources.secretProviderClasses, { namespace, name: 'app' })
  },
)

interface World {
  kube: KubeClient
  /** Everything of the test is in it. */
  namespace: string
  release: string
  driver: string
  valuesFile: string
  /** Helm in the namespace; waits until what it changed is ready. */
  run(...words: string[]): Promise<void>
  setSecret(value: string): Promise<void>
  startPod(name: string): Promise<void>
  /** The mounted file as the container sees it. */
  read(pod: string): Promise<string>
  deletePod(name: string): Promise<void>
}

async function createWorld(t: TestContext): Promise<World> {
  const unique = randomBytes(3).toString('hex')
  const namespace = `e2e-helm-${unique}`
  const driver = `e2e-${unique}.csi.keymount.dev`
  const directory = await mkdtemp(join(tmpdir(), 'keymount-helm-'))
  t.after(() => rm(directory, { recursive: true, force: true }))
  const kubeConfig = loadKubeconfig(KUBECONFIG ?? '', { environment: process.env })
  const kube = createKubeClient(kubeConfig)
  t.after(() => kube.close())

  const azure = await startAzure(t, kubeConfig, directory)
  const valuesFile = join(directory, 'values.yaml')
  await writeFile(valuesFile, stringify(await releaseValues({ azure, driver, kubeConfig })))
  await kube.create(resources.namespaces, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } })
  await installDefinitions(kube)
  const run = async (...words: string[]) => {
    await promisify(execFile)(helm ?? 'helm', [...words, '-n', namespace, '--wait', '--timeout', '2m'])
  }
  t.after(async () => {
    await run('uninstall', namespace, '--ignore-not-found')
    await kube.delete(resources.namespaces, { name: namespace })
  })

  const vault = await azure.createVault(`kv-helm-${unique}`)
  const identity = await azure.createIdentity(`id-helm-${unique}`)
  const subject = `system:serviceaccount:${namespace}:app`
  await azure.federate(identity, { issuer: await issuerOf(kube), subject })
  await azure.assignRole('Key Vault Secrets User', identity.principalId, vault.id)
  await createWorkload(kube, namespace, {
    clientID: identity.clientId,
    keyvaultName: vault.name,
    tenantId: azure.administrator.tenantId,
    objects: stringify({ array: [stringify({ objectName: 'ExampleSecret', objectType: 'secret' })] }),
  })

  return {
    kube,
    namespace,
    release: namespace,
    driver,
    valuesFile,
    run,
    async setSecret(value) {
      await azure.setSecret(vault.name, 'ExampleSecret', value)
    },
    startPod: (name) => startPod(kube, { namespace, name, driver }),
    async read(pod) {
      const command = ['cat', '/mnt/secrets-store/ExampleSecret']
      const { stdout, stderr, code } = await execInPod(kubeConfig, { namespace, pod, container: undefined, command })
      if (code !== 0) throw new Error(`cat ended with ${code}: ${stderr}`)
      return stdout
    },
    async deletePod(name) {
      await kube.delete(resources.pods, { namespace, name }, { gracePeriodSeconds: 1 })
      await eventually(`pod ${name} gone`, async () =>
        (await exists(kube.get(resources.pods, { namespace, name }))) ? undefined : true,
      )
    },
  }
}

/** Other cases install them in the same moment; by server-side apply that is no conflict, as it would be for helm. */
async function installDefinitions(kube: KubeClient): Promise<void> {
  const directory = join(chartDirectory, 'files/crds')
  for (const file of await readdir(directory)) {
    const definition = parse(await readFile(join(directory, file), 'utf8')) as UntypedObject
    const resource = resources.customResourceDefinitions
    await kube.apply(resource, definition, { fieldManager: 'e2e' })
    await eventually(`${file} established`, async () => {
      const { status } = await kube.get(resource, { name: definition.metadata.name ?? '' })
      const { conditions = [] } = status as { conditions?: { type: string; status: string }[] }
      return (
        conditions.some((condition) => condition.type === 'Established' && condition.status === 'True') || undefined
      )
    })
  }
}

/** A local Azure that pods reach and that trusts the cluster's issuer. */
async function startAzure(t: TestContext, { ca }: KubeConfig, directory: string): Promise<TestAzure> {
  const clusterCa = join(directory, 'cluster-ca.crt')
  await writeFile(clusterCa, ca ?? '')
  return startLocalAzure(t, { listen: NODE_HOST ?? '', issuerCaFiles: ca === undefined ? [] : [clusterCa] })
}

async function releaseValues(options: { azure: TestAzure; driver: string; kubeConfig: KubeConfig }): Promise<object> {
  const { azure, driver, kubeConfig } = options
  const [repository, tag] = KEYMOUNT_IMAGE?.split(/:(?=[^/]*$)/) ?? []
  return {
    driver: { name: driver },
    rotationPollInterval: '5s',
    metricsAddr: '18898',
    proxySettings: {
      httpsProxy: azure.proxyUrl,
      noProxy: `127.0.0.1,localhost,.svc,${new URL(kubeConfig.server).hostname}`,
      proxyCert: await readFile(azure.caFile, 'utf8'),
    },
    linux: {
      ...(repository === undefined ? {} : { image: { repository, ...(tag === undefined ? {} : { tag }) } }),
      ...(KUBELET_ROOT === undefined ? {} : { kubeletRootDir: KUBELET_ROOT }),
      providersDir: '/var/run/keymount-e2e-helm',
      additionalProvidersDirs: [],
      healthzPort: 18_989,
    },
  }
}

/** https://kubernetes.io/docs/tasks/configure-pod-container/configure-service-account/#service-account-issuer-discovery */
async function issuerOf(kube: KubeClient): Promise<string> {
  const text = await kube.raw({ method: 'GET', path: '/.well-known/openid-configuration' })
  return (JSON.parse(text) as { issuer: string }).issuer
}

async function createWorkload(kube: KubeClient, namespace: string, parameters: Record<string, string>): Promise<void> {
  const metadata = { namespace, name: 'app' }
  await kube.create(resources.serviceAccounts, { apiVersion: 'v1', kind: 'ServiceAccount', metadata })
  await kube.create(resources.secretProviderClasses, {
    apiVersion: 'secrets-store.csi.x-k8s.io/v1',
    kind: 'SecretProviderClass',
    metadata,
    spec: { provider: 'azure', parameters },
  })
}

async function startPod(
  kube: KubeClient,
  { namespace, name, driver }: { namespace: string; name: string; driver: string },
): Promise<void> {
  await kube.create(resources.pods, {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { namespace, name },
    spec: {
      serviceAccountName: 'app',
      terminationGracePeriodSeconds: 1,
      containers: [
        {
          name: 'app',
          image: 'registry.k8s.io/e2e-test-images/busybox:1.29-4',
          command: ['/bin/sleep', '10000'],
          volumeMounts: [{ name: 'secrets', mountPath: '/mnt/secrets-store', readOnly: true }],
        },
      ],
      volumes: [{ name: 'secrets', csi: { driver, readOnly: true, volumeAttributes: { secretProviderClass: 'app' } } }],
    },
  })
  await eventually(`pod ${namespace}/${name} Ready`, async () => {
    const { status } = await kube.get(resources.pods, { namespace, name })
    return status?.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True') || undefined
  })
}

async function driverArguments(kube: KubeClient, namespace: string): Promise<readonly string[]> {
  const { items } = await kube.list<DaemonSet>(resources.daemonSets, { namespace })
  const driver = items.find(({ metadata }) => metadata.labels?.['app'] === 'secrets-store-csi-driver')
  return driver?.spec.template.spec.containers[0]?.args ?? []
}

async function exists(asking: Promise<unknown>): Promise<boolean> {
  try {
    await asking
    return true
  } catch (error) {
    if (isNotFound(error)) return false
    throw error
  }
}
