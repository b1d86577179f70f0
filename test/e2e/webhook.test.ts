import assert from 'node:assert/strict'
import { test } from 'node:test'
import { execInPod, type Pod, resources } from '#kubernetes/client'
import { chartDirectory } from '../packaging/charts/helm.ts'
import { until } from '../support/eventually.ts'
import {
  createWebhookWorld,
  isReady,
  label,
  needsRealCluster,
  podOf,
  ready,
  replicas,
  tenant,
} from './webhook-world.ts'

const annotation = (name: string) => `azure.workload.identity/${name}`
const identity = {
  AZURE_CLIENT_ID: 'client-of-app',
  AZURE_TENANT_ID: tenant,
  AZURE_FEDERATED_TOKEN_FILE: '/var/run/secrets/azure/wi/token/azure-identity-token',
  AZURE_AUTHORITY_HOST: 'https://login.microsoftonline.com/',
}

/** What pods and classes get from the webhook, as a real API server asks it. */
test('a labelled pod gets its identity, and a class that cannot work gets a warning', needsRealCluster, async (t) => {
  const { kube, kubeConfig, kubectl, namespace, run } = await createWebhookWorld(t)
  const tryOut = (pod: Pod) => kube.create(resources.pods, pod, { dryRun: true })
  const upgrade = async (values: Record<string, string>) => {
    const set = Object.entries(values).flatMap(([name, value]) => ['--set', `webhook.${name}=${value}`])
    await run('upgrade', namespace, chartDirectory, '--reuse-values', ...set)
    await until('the old replicas gone', async () => (await replicas(kube, namespace)).length === 2 || undefined)
  }
  const claimsIn = async (pod: string) => {
    const command = ['sh', '-c', 'cat "$AZURE_FEDERATED_TOKEN_FILE"']
    const { stdout } = await execInPod(kubeConfig, { namespace, pod, container: 'app', command })
    return JSON.parse(Buffer.from(stdout.split('.')[1] ?? '', 'base64url').toString('utf8')) as object
  }

  await t.test('every container has environment and token, init containers too, and the pod the volume', async () => {
    const pod = podOf(namespace, 'labelled', label)
    const [app] = pod.spec.containers
    assert.ok(app !== undefined)
    const looks = ['sh', '-c', 'test -s "$AZURE_FEDERATED_TOKEN_FILE"']
    pod.spec.initContainers = [{ ...app, name: 'init', command: looks }]
    pod.spec.containers.push({ ...app, name: 'second' })
    await kube.create(resources.pods, pod)
    const { spec } = await ready(kube, namespace, 'labelled')
    for (const container of [...spec.containers, ...(spec.initContainers ?? [])]) {
      assert.deepEqual(environmentOf(container), identity)
      assert.ok(container.volumeMounts?.some(({ mountPath }) => mountPath === '/var/run/secrets/azure/wi'))
    }
    assert.equal(spec.volumes?.filter(({ name }) => name.startsWith('azure-workload-identity-reserved-')).length, 1)
    assert.partialDeepStrictEqual(await claimsIn('labelled'), {
      aud: ['api://AzureADTokenExchange'],
      sub: `system:serviceaccount:${namespace}:app`,
    })
  })

  await t.test('so have the pods of a Deployment, which have no name yet when they are admitted', async () => {
    const { metadata, spec } = podOf(namespace, 'app', { ...label, app: 'deployed' })
    await kube.create(resources.deployments, {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { namespace, name: 'deployed' },
      spec: {
        replicas: 2,
        selector: { matchLabels: { app: 'deployed' } },
        template: { metadata: { labels: metadata.labels }, spec },
      },
    })
    const pods = await until('two pods of the Deployment', async () => {
      const { items } = await kube.list(resources.pods, { namespace, labelSelector: 'app=deployed' })
      return items.length === 2 && items.every(isReady) ? items : undefined
    })
    for (const pod of pods) assert.deepEqual(environmentOf(pod.spec.containers[0]), identity)
  })

  await t.test('a pod without the label is left alone', async () => {
    const pod = await tryOut(podOf(namespace, 'plain', {}))
    assert.equal(pod.spec.containers[0]?.env, undefined)
  })

  await t.test('skip-containers leaves the first container alone, and the second has its identity', async () => {
    const pod = podOf(namespace, 'skipping', label)
    pod.metadata.annotations = { [annotation('skip-containers')]: 'app;' }
    pod.spec.containers.push({ name: 'second', image: 'second' })
    const [first, second] = (await tryOut(pod)).spec.containers
    assert.equal(first?.env, undefined)
    assert.deepEqual(environmentOf(second), identity)
  })

  for (const [text, message] of [
    ['100', 'token expiration 100 not valid'],
    ['invalid', 'strconv.ParseInt: parsing "invalid": invalid syntax'],
  ] as const) {
    const annotations = { [annotation('service-account-token-expiration')]: text }
    const denied = new RegExp(
      `admission webhook "mutation.azure-workload-identity.io" denied the request: ${message.replace(/[.]/g, '\\.')}`,
    )
    await t.test(`a life of the token of "${text}" is refused on the pod`, async () => {
      const pod = podOf(namespace, 'refused', label)
      pod.metadata.annotations = annotations
      await assert.rejects(tryOut(pod), denied)
    })
    await t.test(`a life of the token of "${text}" is refused on the service account`, async () => {
      const name = `life-${text}`
      const metadata = { namespace, name, annotations }
      await kube.create(resources.serviceAccounts, { apiVersion: 'v1', kind: 'ServiceAccount', metadata })
      const pod = podOf(namespace, 'refused', label)
      pod.spec.serviceAccountName = name
      await assert.rejects(tryOut(pod), denied)
    })
  }

  await t.test('kubectl shows what is wrong with a class, and creates it all the same', async () => {
    const stderr = await until('a warning', async () => {
      const { status, stderr: text } = await kubectl(['apply', '-f', '-'], brokenClass(namespace, 'broken'))
      assert.equal(status, 0, text)
      return text === '' ? undefined : text
    })
    assert.match(
      stderr,
      /^Warning: SecretProviderClass broken: no pod can mount it: spec.parameters: keyvaultName is not provided \(found "keyvaultname"; did you mean keyvaultName\?\)\n/,
    )
    const rotate = ['annotate', 'secretproviderclass', 'broken', '-n', namespace, 'keymount.dev/rotate=1']
    assert.deepEqual(await kubectl(rotate), {
      status: 0,
      stdout: 'secretproviderclass.secrets-store.csi.x-k8s.io/broken annotated\n',
      stderr: '',
    })
  })

  await t.test('a token endpoint of the administrator is used by the pods that ask for it', async () => {
    await upgrade({
      'classChecks.refuse': 'true',
      'customTokenEndpoint.annotationSuffix': 'identity-binding',
      'customTokenEndpoint.audience': 'api://AKSIdentityBinding',
      'customTokenEndpoint.azureKubernetesTokenProxy': 'https://kubernetes.default.svc',
      'customTokenEndpoint.azureKubernetesSniName': 'sni.example',
      'customTokenEndpoint.azureKubernetesCAConfigMapName': 'kube-root-ca.crt',
    })
    const pod = podOf(namespace, 'bound', label)
    pod.metadata.annotations = { [annotation('use-identity-binding')]: 'true' }
    await kube.create(resources.pods, pod)
    const { spec } = await ready(kube, namespace, 'bound')
    assert.deepEqual(environmentOf(spec.containers[0]), {
      ...identity,
      AZURE_KUBERNETES_TOKEN_PROXY: 'https://kubernetes.default.svc',
      AZURE_KUBERNETES_SNI_NAME: 'sni.example',
      AZURE_KUBERNETES_CA_FILE: '/var/run/secrets/azure/wi/ca-cert/ca.crt',
    })
    assert.partialDeepStrictEqual(await claimsIn('bound'), { aud: ['api://AKSIdentityBinding'] })
    const command = ['sh', '-c', 'head -1 "$AZURE_KUBERNETES_CA_FILE"']
    const { stdout } = await execInPod(kubeConfig, { namespace, pod: 'bound', container: 'app', command })
    assert.equal(stdout, '-----BEGIN CERTIFICATE-----\n')
  })

  await t.test('a class that cannot work is refused where the administrator wants it, and may be spared', async () => {
    const { status, stderr } = await kubectl(['apply', '-f', '-'], brokenClass(namespace, 'refused'))
    assert.equal(status, 1)
    assert.match(stderr, /admission webhook "classes.keymount.dev" denied the request: no pod can mount it: /)
    const spared = await kubectl(
      ['apply', '-f', '-'],
      brokenClass(namespace, 'spared', { 'keymount.dev/checks': 'warn' }),
    )
    assert.equal(spared.status, 0, spared.stderr)
    assert.match(spared.stderr, /^Warning: SecretProviderClass spared: /)
  })
})

function environmentOf(container: Pod['spec']['containers'][number] | undefined): Record<string, string | undefined> {
  return Object.fromEntries((container?.env ?? []).map(({ name, value }) => [name, value]))
}

function brokenClass(namespace: string, name: string, annotations: Record<string, string> = {}) {
  const objects = 'array:\n  - |\n    objectName: db\n    objectType: secret\n'
  return {
    apiVersion: 'secrets-store.csi.x-k8s.io/v1',
    kind: 'SecretProviderClass',
    metadata: { namespace, name, annotations },
    spec: { provider: 'azure', parameters: { keyvaultname: 'vault', tenantID: tenant, clientID: 'client', objects } },
  }
}
