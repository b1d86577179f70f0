import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { promisify } from 'node:util'
import { parse, stringify } from 'yaml'
import {
  createKubeClient,
  execInPod,
  type KubeClient,
  type KubeConfig,
  loadKubeconfig,
  resources,
  type UntypedObject,
  wasFound,
} from '#kubernetes/client'
import { recordOf } from '#lib/formats'
import { chartDirectory, helm } from '../packaging/charts/helm.ts'
import { until } from './eventually.ts'
import { startLocalAzure, type TestAzure, type TestVault } from './local-azure.ts'
import { temporaryDirectory } from './temporary-directory.ts'

const { KUBECONFIG, KUBELET_ROOT, NODE_HOST, KEYMOUNT_IMAGE } = process.env

/**
 * A release of the chart on the cluster that KUBECONFIG names, beside whatever is installed there: a second driver with its own
 * name, and a provider with its own socket, ports and way to a local Azure. What runs in it has a class `app` and a vault.
 */
export interface HelmRelease {
  kube: KubeClient
  kubeConfig: KubeConfig
  /** Everything of the test is in it. */
  namespace: string
  /** Name of the CSI driver. */
  driver: string
  azure: TestAzure
  vault: TestVault
  install(): Promise<void>
  upgrade(...flags: string[]): Promise<void>
  /** Back to the first revision. */
  rollBack(): Promise<void>
  uninstall(...flags: string[]): Promise<void>
  /** Default: the first object of the class. */
  setSecret(value: string, name?: string): Promise<void>
  /** A pod that mounts the class at /mnt/secrets-store; does not wait for it. Default: it sleeps. */
  createPod(name: string, pod?: { command?: readonly string[]; spec?: object }): Promise<void>
  podReady(name: string): Promise<void>
  /** The mounted first object as the container sees it. */
  read(pod: string): Promise<string>
  deletePod(name: string): Promise<void>
}

export interface HelmReleaseOptions {
  /** Of the chart, beside those that a release of its own needs. */
  values?: object | ((azure: TestAzure) => object)
  /** Secrets of the class. Default: `ExampleSecret`. */
  objects?: readonly string[]
  /** Default: the one that KUBECONFIG names. */
  cluster?: HelmCluster | undefined
}

/** A cluster for a release. */
export interface HelmCluster {
  kubeconfig: string
  /** Address of this machine that the local Azure listens on. */
  listen: string
  kubeletRoot?: string | undefined
  image?: string | undefined
  /** How pods reach a local Azure of this machine. Default: as this machine does. */
  seenByPods?(azure: Pick<TestAzure, 'proxyUrl' | 'imds'>): Pick<TestAzure, 'proxyUrl' | 'imds'>
  /** Hosts that pods reach without the proxy, beside the API server. */
  noProxy?: readonly string[]
  /** Whether it ends with the test, so that nothing has to be removed from it. */
  isTemporary?: boolean
}

const realCluster: HelmCluster = {
  kubeconfig: KUBECONFIG ?? '',
  listen: NODE_HOST ?? '',
  kubeletRoot: KUBELET_ROOT,
  image: KEYMOUNT_IMAGE,
}

/** Prepares everything but the installation, which is `run('install', …)`. All of it goes with the test. */
export async function createHelmRelease(t: TestContext, options: HelmReleaseOptions = {}): Promise<HelmRelease> {
  const { values = {}, objects = ['ExampleSecret'], cluster = realCluster } = options
  const first = objects[0] ?? ''
  const unique = randomBytes(3).toString('hex')
  const namespace = `e2e-helm-${unique}`
  const driver = `e2e-${unique}.csi.keymount.dev`
  const directory = temporaryDirectory(t, 'keymount-helm-')
  const kubeConfig = loadKubeconfig(cluster.kubeconfig, { environment: process.env })
  const kube = createKubeClient(kubeConfig)
  t.after(() => kube.close())

  const azure = await startAzure(t, cluster.listen, kubeConfig, directory)
  const forPods = { ...azure, ...cluster.seenByPods?.(azure) }
  const valuesFile = join(directory, 'values.yaml')
  const own = typeof values === 'function' ? (values as (azure: TestAzure) => object)(forPods) : values
  await writeFile(
    valuesFile,
    stringify(merged(await releaseValues({ azure: forPods, driver, kubeConfig, cluster }), own)),
  )
  await kube.create(resources.namespaces, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } })
  await installDefinitions(kube)
  const run = async (verb: string, ...words: string[]) => {
    const env = { ...process.env, KUBECONFIG: cluster.kubeconfig }
    const all = [verb, namespace, ...words, '-n', namespace, '--wait', '--timeout', '2m']
    await promisify(execFile)(helm ?? 'helm', all, { env })
  }
  t.after(async () => {
    if (cluster.isTemporary === true) return
    await run('uninstall', '--ignore-not-found')
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
    objects: stringify({ array: objects.map((objectName) => stringify({ objectName, objectType: 'secret' })) }),
  })

  return {
    kube,
    kubeConfig,
    namespace,
    driver,
    azure,
    vault,
    install: () => run('install', chartDirectory, '-f', valuesFile),
    upgrade: (...flags) => run('upgrade', chartDirectory, '-f', valuesFile, ...flags),
    rollBack: () => run('rollback', '1'),
    uninstall: (...flags) => run('uninstall', ...flags),
    async setSecret(value, name = first) {
      await azure.setSecret(vault.name, name, value)
    },
    createPod: (name, pod) => createPod(kube, { namespace, name, driver, ...pod }),
    podReady: (name) => podReady(kube, namespace, name),
    async read(pod) {
      const command = ['cat', `/mnt/secrets-store/${first}`]
      const { stdout, stderr, code } = await execInPod(kubeConfig, { namespace, pod, container: undefined, command })
      if (code !== 0) throw new Error(`cat ended with ${code}: ${stderr}`)
      return stdout
    },
    async deletePod(name) {
      await kube.delete(resources.pods, { namespace, name }, { gracePeriodSeconds: 1 })
      await until(`pod ${name} gone`, async () =>
        (await wasFound(kube.get(resources.pods, { namespace, name }))) ? undefined : true,
      )
    },
  }
}

/** The second's values over the first's, as helm merges them. */
function merged(base: object, over: object): object {
  const result: Record<string, unknown> = { ...base }
  for (const [key, value] of Object.entries(over)) {
    const below = result[key]
    result[key] =
      recordOf(below) !== undefined && recordOf(value) !== undefined ? merged(below as object, value) : value
  }
  return result
}

/** Other cases install them at the same time, which is not a conflict for server-side apply, as it would be for helm. */
async function installDefinitions(kube: KubeClient): Promise<void> {
  const directory = join(chartDirectory, 'files/crds')
  for (const file of await readdir(directory)) {
    const definition = parse(await readFile(join(directory, file), 'utf8')) as UntypedObject
    const resource = resources.customResourceDefinitions
    await kube.apply(resource, definition, { fieldManager: 'e2e' })
    await until(`${file} established`, async () => {
      const { status } = await kube.get(resource, { name: definition.metadata.name ?? '' })
      const { conditions = [] } = status as { conditions?: { type: string; status: string }[] }
      return (
        conditions.some((condition) => condition.type === 'Established' && condition.status === 'True') || undefined
      )
    })
  }
}

/** A local Azure that pods reach and that trusts the cluster's issuer. */
async function startAzure(t: TestContext, listen: string, { ca }: KubeConfig, directory: string): Promise<TestAzure> {
  const clusterCa = join(directory, 'cluster-ca.crt')
  await writeFile(clusterCa, ca ?? '')
  return startLocalAzure(t, { listen, issuerCaFiles: ca === undefined ? [] : [clusterCa] })
}

async function releaseValues(options: {
  azure: TestAzure
  driver: string
  kubeConfig: KubeConfig
  cluster: HelmCluster
}): Promise<object> {
  const { azure, driver, kubeConfig } = options
  const { image, kubeletRoot, noProxy = [] } = options.cluster
  const [repository, tag] = image?.split(/:(?=[^/]*$)/) ?? []
  return {
    driver: { name: driver },
    metricsAddr: '18898',
    proxySettings: {
      httpsProxy: azure.proxyUrl,
      noProxy: ['127.0.0.1', 'localhost', '.svc', new URL(kubeConfig.server).hostname, ...noProxy].join(','),
      proxyCert: await readFile(azure.caFile, 'utf8'),
    },
    linux: {
      ...(repository === undefined ? {} : { image: { repository, ...(tag === undefined ? {} : { tag }) } }),
      ...(kubeletRoot === undefined ? {} : { kubeletRootDir: kubeletRoot }),
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

interface PodOptions {
  namespace: string
  name: string
  driver: string
  command?: readonly string[]
  /** Fields over those that every pod has. */
  spec?: object
}

async function createPod(kube: KubeClient, options: PodOptions): Promise<void> {
  const { namespace, name, driver, command = ['/bin/sleep', '10000'], spec = {} } = options
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
          command: [...command],
          volumeMounts: [{ name: 'secrets', mountPath: '/mnt/secrets-store', readOnly: true }],
        },
      ],
      volumes: [{ name: 'secrets', csi: { driver, readOnly: true, volumeAttributes: { secretProviderClass: 'app' } } }],
      ...spec,
    },
  })
}

async function podReady(kube: KubeClient, namespace: string, name: string): Promise<void> {
  await until(`pod ${namespace}/${name} Ready`, async () => {
    const { status } = await kube.get(resources.pods, { namespace, name })
    return status?.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True') || undefined
  })
}
