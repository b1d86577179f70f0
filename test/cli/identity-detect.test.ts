import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { type TestContext, test } from 'node:test'
import { parse, parseAllDocuments } from 'yaml'
import {
  isAlreadyExists,
  type KubeClient,
  type KubeObject,
  resources,
  type UntypedObject,
  type Volume,
} from '#kubernetes/client'
import { sleep } from '#lib'
import { createDefinitions } from '../support/custom-resources.ts'
import { kubeClientOf } from '../support/kube-client-of.ts'
import { startLocalCluster } from '../support/local-cluster.ts'
import { runCli } from '../support/run-cli.ts'
import { secretsVolume } from '../support/secrets-volume.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const crds = resolve(import.meta.dirname, '../../charts/keymount/files/pod-identity-crds')
const group = 'aadpodidentity.k8s.io/v1'
const resourceID =
  '/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/web-identity'
const clientID = '11111111-2222-3333-4444-555555555555'

/** A cluster with a pod of its own and one of a Deployment, both with the binding `web`. */
async function startCluster(t: TestContext) {
  const cluster = await startLocalCluster(t)
  const kube = kubeClientOf(t, cluster.kubeconfig)
  for (const file of readdirSync(crds)) {
    await kube.create(
      resources.customResourceDefinitions,
      parse(readFileSync(join(crds, file), 'utf8')) as UntypedObject,
    )
  }
  const inDefault = (name: string) => ({ name, namespace: 'default' })
  const identity = { type: 0, resourceID, clientID }
  await eventually(() =>
    kube.create(resources.azureIdentities, {
      apiVersion: group,
      kind: 'AzureIdentity',
      metadata: inDefault('web'),
      spec: identity,
    }),
  )
  await kube.create(resources.azureIdentityBindings, {
    apiVersion: group,
    kind: 'AzureIdentityBinding',
    metadata: inDefault('web'),
    spec: { azureIdentity: 'web', selector: 'web' },
  })
  await createPod(kube, { metadata: { ...inDefault('alone'), labels: { aadpodidbinding: 'web' } } })
  const directory = temporaryDirectory(t)
  const detect = (...words: string[]) =>
    runCli(['podidentity', 'detect', ...words], { KUBECONFIG: cluster.kubeconfig, NO_COLOR: '1' })
  return { kube, issuer: cluster.issuer, directory: join(directory, 'out'), detect }
}

function createPod(
  kube: KubeClient,
  { metadata, volumes = [] }: Pick<KubeObject, 'metadata'> & { volumes?: Volume[] },
) {
  const containers = [{ name: 'main', image: 'registry.k8s.io/e2e-test-images/busybox:1.29-4' }]
  return kube.create(resources.pods, { apiVersion: 'v1', kind: 'Pod', metadata, spec: { containers, volumes } })
}

/** A new kind is served a moment after its definition. */
async function eventually(run: () => Promise<unknown>): Promise<void> {
  for (let i = 0; ; i++) {
    try {
      return void (await run())
    } catch (error) {
      if (isAlreadyExists(error)) return
      if (i === 50) throw error
      await sleep(50)
    }
  }
}

test('podidentity detect writes service account, workload and the commands for Azure', async (t) => {
  const { directory, issuer, detect } = await startCluster(t)
  const { code, stderr } = await detect(
    '--output-dir',
    directory,
    '--tenant-id',
    'tenant',
    '--service-account-token-expiration',
    '2h',
  )
  assert.equal(code, 0, stderr)
  assert.match(stderr, /^1 workload of namespace default uses pod identity$/m)
  assert.deepEqual(readdirSync(directory).toSorted(), [
    'alone-serviceaccount.yaml',
    'alone.yaml',
    'federated-credentials.sh',
  ])

  assert.deepEqual(parse(readFileSync(join(directory, 'alone-serviceaccount.yaml'), 'utf8')), {
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata: {
      name: 'alone',
      namespace: 'default',
      annotations: {
        'azure.workload.identity/client-id': clientID,
        'azure.workload.identity/service-account-token-expiration': '7200',
        'azure.workload.identity/tenant-id': 'tenant',
      },
    },
  })
  const pod = parse(readFileSync(join(directory, 'alone.yaml'), 'utf8'))
  assert.deepEqual(pod.metadata.labels, { 'azure.workload.identity/use': 'true' })
  assert.deepEqual(pod.metadata.annotations, { 'azure.workload.identity/inject-proxy-sidecar': 'true' })
  assert.equal(pod.spec.serviceAccountName, 'alone')
  assert.equal(pod.status, undefined)

  const script = readFileSync(join(directory, 'federated-credentials.sh'), 'utf8')
  const command = /^az identity federated-credential create .*$/m.exec(script)?.[0] ?? ''
  assert.match(command, /--resource-group g --identity-name web-identity --name default-alone-[0-9a-f]{8}/)
  assert.ok(command.includes(`--issuer ${issuer} --subject system:serviceaccount:default:alone`), command)
})

test('podidentity detect prints one stream of YAML, and applies to the cluster that it was read from', async (t) => {
  const { kube, detect } = await startCluster(t)
  const { code, stdout } = await detect('-o', '-', '--proxy', 'containers', '-p', '9000')
  assert.equal(code, 0)
  const objects = parseAllDocuments(stdout).map((document) => document.toJS() as KubeObject)
  assert.deepEqual(
    objects.map(({ kind }) => kind),
    ['ServiceAccount', 'Pod'],
  )
  const [account, pod] = objects
  assert.ok(account !== undefined && pod !== undefined)
  await kube.create(resources.serviceAccounts, account)
  await kube.delete(resources.pods, { namespace: 'default', name: 'alone' }, { gracePeriodSeconds: 0 })
  await eventually(() => kube.create(resources.pods, pod as UntypedObject as never))
  const applied = await kube.get(resources.pods, { namespace: 'default', name: 'alone' })
  assert.equal(applied.spec.serviceAccountName, 'alone')
  assert.ok(
    applied.spec.containers.some(({ name, args }) => name === 'azwi-proxy' && args?.includes('--proxy-port=9000')),
  )
})

test('podidentity detect moves the classes that sign in by pod identity', async (t) => {
  const { kube, directory, detect } = await startCluster(t)
  await createDefinitions(kube)
  const parameters = { usePodIdentity: 'true', keyvaultName: 'v', tenantID: 't', objects: 'array: []' }
  const metadata = { namespace: 'default', name: 'old' }
  const [apiVersion, kind] = ['secrets-store.csi.x-k8s.io/v1', 'SecretProviderClass']
  await eventually(() =>
    kube.create(resources.secretProviderClasses, {
      apiVersion,
      kind,
      metadata,
      spec: { provider: 'azure', parameters },
    }),
  )
  await createPod(kube, {
    metadata: { namespace: 'default', name: 'reader', labels: { aadpodidbinding: 'web' } },
    volumes: [secretsVolume('secrets', 'old')],
  })
  const { code, stderr } = await detect('-o', directory)
  assert.equal(code, 0, stderr)
  const { usePodIdentity: _, ...rest } = parameters
  assert.deepEqual(parse(readFileSync(join(directory, 'old-secretproviderclass.yaml'), 'utf8')), {
    apiVersion,
    kind,
    metadata,
    spec: { provider: 'azure', parameters: { ...rest, clientID } },
  })
})

test('podidentity detect in a namespace without bindings writes nothing', async (t) => {
  const { directory, detect } = await startCluster(t)
  const { code, stderr } = await detect('--namespace', 'kube-system', '-o', directory)
  assert.equal(code, 0)
  assert.match(stderr, /0 workloads of namespace kube-system use pod identity: nothing to write/)
})

test('podidentity detect reports a cluster without pod identity', async (t) => {
  const { kubeconfig } = await startLocalCluster(t)
  const { code, stderr } = await runCli(['pi', 'detect', '-o', 'x'], { KUBECONFIG: kubeconfig })
  assert.equal(code, 1)
  assert.match(stderr, /AAD Pod Identity is not installed in this cluster/)
})

test('azwi: detect: expiration bounds, port, and where to', async () => {
  const detect = (...words: string[]) => runCli(['podidentity', 'detect', ...words])
  const short = await detect('-o', 'x', '--service-account-token-expiration', '59m')
  assert.equal(short.code, 2)
  assert.match(short.stderr, /--service-account-token-expiration must be greater than or equal to 1h0m0s/)
  const long = await detect('-o', 'x', '--service-account-token-expiration', '25h')
  assert.match(long.stderr, /--service-account-token-expiration must be less than or equal to 24h0m0s/)
  const port = await detect('--proxy-port', '70000')
  assert.match(port.stderr, /--output-dir is required\n.*found "70000", expected a port/)
})
