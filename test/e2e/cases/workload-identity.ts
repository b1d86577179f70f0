import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { type Container, type Pod, type PodSpec, resources } from '#kubernetes/client'
import { imageReference } from '#packaging/image'
import packageJson from '../../../package.json' with { type: 'json' }
import { bundleApplication } from '../../support/bundle-application.ts'
import { until } from '../../support/eventually.ts'
import type { Lab } from '../../support/lab.ts'
import { type InstalledWebhook, installWebhook, productImage } from '../installed-webhook.ts'
import { createNamespace } from '../namespaces.ts'
import { leaksIn, plant } from '../planted.ts'
import { podEvents } from '../wait.ts'
import { createWorkload, type Workload } from '../workload.ts'

const use = { 'azure.workload.identity/use': 'true' }
const inject = { 'azure.workload.identity/inject-proxy-sidecar': 'true' }
const metadataAddress = '169.254.169.254'
const busybox = 'registry.k8s.io/e2e-test-images/busybox:1.29-4'
const value = plant('what only the vault knows')

/** Applications that sign in by themselves, with the environment or the sidecar that the webhook gives them. */
export function workloadIdentityCases(lab: () => Lab, options: { skip?: string }): void {
  describe('workload identity without a volume', options, () => {
    let webhook: InstalledWebhook
    let workload: Workload
    const image = productImage(imageReference(packageJson.version))

    before(async () => {
      workload = await createWorkload(lab(), 'wi')
      await workload.setSecret('ExampleSecret', value)
      await createApplication(lab(), workload.namespace)
      webhook = await installWebhook(lab(), image, [workload.namespace])
      // A Service gets ready pods a moment after helm sees them.
      await until('the webhook to be reached', async () => {
        const pod = await dryRun(lab(), podOf(lab(), workload, { name: 'first', image, labels: use }))
        return pod.spec.containers[0]?.env?.some(({ name }) => name === 'AZURE_TENANT_ID') || undefined
      })
    })
    after(() => webhook?.uninstall())

    it('signs a labelled pod in, with the official SDK', async () => {
      await lab().kube.create(resources.pods, podOf(lab(), workload, { name: 'sdk', image, labels: use }))
      assert.equal(await outputOf(lab(), workload.namespace, 'sdk', 'app'), value)
    })

    it('signs in an application that knows IMDS only, and its init container; the pod ends when it does', async () => {
      // Nothing in their own environment names Azure: these are the oldest applications that can occur.
      const annotations = { ...inject, 'azure.workload.identity/skip-containers': 'app;early' }
      const pod = podOf(lab(), workload, { name: 'imds', image, labels: use, annotations, credential: 'imds' })
      const [app] = pod.spec.containers
      assert.ok(app !== undefined)
      pod.spec.initContainers = [{ ...app, name: 'early' }]
      await lab().kube.create(resources.pods, pod)
      assert.equal(await outputOf(lab(), workload.namespace, 'imds', 'app'), value)
      assert.equal(await logOf(lab(), workload.namespace, 'imds', 'early'), value)
    })

    it('passes on what asks IMDS for something else, on the port that the pod chose', async () => {
      const annotations = { ...inject, 'azure.workload.identity/proxy-sidecar-port': '8080' }
      const wget = (target: string) => `wget -S -O - 'http://${metadataAddress}/metadata/${target}' 2>&1`
      const script = `${wget('identity/oauth2/token')}; ${wget('instance')}; exec sleep 10000`
      const pod = podOf(lab(), workload, { name: 'other', image: busybox, labels: use, annotations })
      pod.spec.containers = [{ name: 'app', image: busybox, command: ['/bin/sh', '-c', script] }]
      await lab().kube.create(resources.pods, pod)
      // No machine has this: the lab's IMDS refuses it, and where there is no IMDS the proxy reports that.
      await until('both answers', async () => {
        const log = await logOf(lab(), workload.namespace, 'other', 'app')
        return /HTTP\/1\.1 400[\s\S]*HTTP\/1\.1 (400|501|502)/.test(log) || undefined
      })
    })

    it('gives the sidecar no right at all', async () => {
      const command = ['/usr/local/bin/node', '-p', 'fs.readFileSync("/proc/1/status", "utf8")']
      const { stdout } = await lab().exec(workload.namespace, 'other', 'azwi-proxy', command)
      assert.match(stdout, /^Uid:\t1501\t1501\t1501\t1501$/m)
      assert.match(stdout, /^CapEff:\t0+$/m)
      assert.match(stdout, /^NoNewPrivs:\t1$/m)
      const version = await lab().exec(workload.namespace, 'other', 'azwi-proxy', ['/proxy', '--version'])
      assert.ok('buildVersion' in JSON.parse(version.stdout), version.stderr)
    })

    it('starts the sidecar again when it ends, and the application goes on', async () => {
      const { namespace } = workload
      // Its first process has its user, who may stop it.
      const stop = ['/usr/local/bin/node', '-e', 'process.kill(1, "SIGTERM")']
      // What stops it may go down with it before it has answered.
      await lab()
        .exec(namespace, 'other', 'azwi-proxy', stop)
        .catch(() => undefined)
      await until('another sidecar', async () => {
        const { status } = await lab().kube.get(resources.pods, { namespace, name: 'other' })
        const proxy = status?.initContainerStatuses?.find(({ name }) => name === 'azwi-proxy')
        return ((proxy?.restartCount ?? 0) > 0 && proxy?.ready === true) || undefined
      })
      const command = ['sh', '-c', `wget -S -O - 'http://${metadataAddress}/metadata/identity/oauth2/token' 2>&1; true`]
      const { stdout } = await lab().exec(namespace, 'other', 'app', command)
      assert.match(stdout, /HTTP\/1\.1 400/)
    })

    it('leaves alone a pod without the label, and one of a namespace that is not meant', async () => {
      const unlabelled = podOf(lab(), workload, { name: 'plain', image, labels: {}, annotations: inject })
      const elsewhere = await createNamespace(lab(), 'wi-other')
      const other = { ...podOf(lab(), workload, { name: 'plain', image, labels: use, annotations: inject }) }
      other.metadata = { ...other.metadata, namespace: elsewhere }
      other.spec = { ...other.spec, serviceAccountName: 'default' }
      for (const pod of [unlabelled, other]) {
        const { spec } = await dryRun(lab(), pod)
        assert.deepEqual(spec.initContainers ?? [], [])
        assert.deepEqual(spec.containers[0]?.env, pod.spec.containers[0]?.env)
        assert.ok(spec.volumes?.every(({ name }) => !name.startsWith('azure-workload-identity')))
      }
    })

    it('writes no token and no value to any log', async () => {
      const { items } = await lab().kube.list(resources.pods, { namespace: webhook.namespace })
      const managers = items.map(({ metadata }) => [webhook.namespace, metadata.name ?? '', 'manager'] as const)
      const sidecars = ['imds', 'other'].flatMap((pod) =>
        ['azwi-proxy', 'azwi-proxy-init'].map((container) => [workload.namespace, pod, container] as const),
      )
      for (const [namespace, pod, container] of [...managers, ...sidecars]) {
        const log = await logOf(lab(), namespace, pod, container)
        assert.match(log, /"level":/, `${pod} ${container}: there is a log to look at`)
        assert.deepEqual(leaksIn(log), [], `${pod} ${container}`)
      }
    })
  })
}

/** The bundled program and the CA of the local Azure, for pods to mount. */
async function createApplication(lab: Lab, namespace: string): Promise<void> {
  await lab.kube.create(resources.configMaps, {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { namespace, name: 'app' },
    data: {
      'read-secret.cjs': await bundleApplication(join(import.meta.dirname, '../applications/read-secret.ts')),
      'ca.crt': await readFile(lab.azureProxy.caFile, 'utf8'),
    },
  })
}

interface ApplicationPod {
  name: string
  image: string
  labels: Record<string, string>
  annotations?: Record<string, string>
  credential?: 'workload' | 'imds'
}

/** A pod that runs the application once. */
function podOf(lab: Lab, { namespace, serviceAccount, vault }: Workload, application: ApplicationPod): Pod {
  const { name, image, labels, annotations = {}, credential = 'workload' } = application
  const environment = {
    HTTPS_PROXY: lab.azureProxy.url,
    // The SDKs send plain HTTP there, too.
    NO_PROXY: metadataAddress,
    NODE_EXTRA_CA_CERTS: '/app/ca.crt',
    VAULT: vault,
    CREDENTIAL: credential,
    // The image of a local lab leads elsewhere by itself.
    ...(lab.isLocal && { AZURE_POD_IDENTITY_AUTHORITY_HOST: `http://${metadataAddress}` }),
  }
  const container: Container = {
    name: 'app',
    image,
    command: ['/usr/local/bin/node', '/app/read-secret.cjs'],
    env: Object.entries(environment).map(([key, text]) => ({ name: key, value: text })),
    volumeMounts: [{ name: 'app', mountPath: '/app', readOnly: true }],
  }
  const spec: PodSpec = {
    serviceAccountName: serviceAccount,
    restartPolicy: 'Never',
    terminationGracePeriodSeconds: 1,
    containers: [container],
    volumes: [{ name: 'app', configMap: { name: 'app' } }],
  }
  return { apiVersion: 'v1', kind: 'Pod', metadata: { namespace, name, labels, annotations }, spec }
}

function dryRun(lab: Lab, pod: Pod): Promise<Pod> {
  return lab.kube.create(resources.pods, pod, { dryRun: true })
}

/** What a container printed, once all of its pod has ended well. */
async function outputOf(lab: Lab, namespace: string, name: string, container: string): Promise<string> {
  const pod = await until(`pod ${name} to end`, async () => {
    const found = await lab.kube.get(resources.pods, { namespace, name })
    return ['Succeeded', 'Failed'].includes(found.status?.phase ?? '') ? found : undefined
  }).catch(async (error: unknown) => {
    throw new Error(`${String(error)}\n${JSON.stringify(await podEvents(lab, namespace, name), null, 2)}`)
  })
  if (pod.status?.phase === 'Succeeded') return logOf(lab, namespace, name, container)
  const names = [...(pod.spec.initContainers ?? []), ...pod.spec.containers].map((one) => one.name)
  const logs = names.map(async (one) => `${one}: ${await logOf(lab, namespace, name, one).catch(String)}`)
  throw new Error(`pod ${name} failed\n${(await Promise.all(logs)).join('\n')}`)
}

function logOf(lab: Lab, namespace: string, pod: string, container: string): Promise<string> {
  const path = `/api/v1/namespaces/${namespace}/pods/${pod}/log?container=${container}`
  return lab.kube.raw({ method: 'GET', path, headers: { accept: '*/*' } })
}
