import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createKubeClient, isForbidden, isNotFound, loadKubeconfig, resources, type Secret } from '#kubernetes/client'
import { type SecretSync, secretSyncs } from '#product/sync'
import { until } from '../support/eventually.ts'
import { createHelmRelease, type HelmRelease } from '../support/helm-release.ts'
import { noHelm, noNodeHost, realClusterOnly } from './real-cluster-only.ts'

/** Secrets without a pod, installed by the chart with nothing but `sync.enabled`, on a real cluster with its admission policies. */
const options = realClusterOnly('admission policies need a real cluster', noHelm, noNodeHost)

test('a SecretSync becomes a Secret on a real cluster, and its controller can do nothing else', options, async (t) => {
  const release = await createHelmRelease(t, {
    objects: ['db'],
    values: {
      sync: { enabled: true, rotationPollInterval: '2s' },
      driver: { install: false },
      provider: { install: false },
    },
  })
  const { kube, namespace } = release
  await release.setSecret('first')
  await release.install()
  await kube.create(secretSyncs, syncOf(release, 'app-db'))
  await ready(release, 'app-db')
  assert.equal(await valueOfSecret(release, 'app-db'), 'first')

  await release.setSecret('second')
  await until('the Secret to follow', async () => (await valueOfSecret(release, 'app-db')) === 'second')
  await kube.delete(resources.secrets, { namespace, name: 'app-db' })
  await until('the Secret to come back', async () => (await valueOfSecret(release, 'app-db')) === 'second')

  await t.test('a type that is not allowed is refused in upstream’s words', async () => {
    await kube.create(secretSyncs, syncOf(release, 'custom', { type: 'example.com/api-credentials' }))
    const message = await failed(release, 'custom', 'ControllerPatchError')
    const policy = 'secrets-store-sync-controller-create-update-policy'
    const text =
      `failed to patch secret "custom": secrets "custom" is forbidden: ValidatingAdmissionPolicy '${policy}' with binding '${policy}-binding' ` +
      'denied request: secrets-store-sync-controller has failed to CREATE secret with example.com/api-credentials type'
    assert.ok(message.startsWith(text), message)
  })

  await t.test('a class that is missing is reported in upstream’s words', async () => {
    await kube.create(secretSyncs, {
      ...syncOf(release, 'no-class'),
      spec: { ...syncOf(release, 'no-class').spec, secretProviderClassName: 'gone' },
    })
    assert.equal(
      await failed(release, 'no-class', 'SecretProviderClassMisconfigured'),
      'failed to get SecretProviderClass "gone": secretproviderclass.secrets-store.csi.x-k8s.io "gone" not found',
    )
  })

  await t.test('the schema refuses reserved and overlong keys', async () => {
    const reserved = syncOf(release, 'reserved', { labels: { 'secrets-store.sync.x-k8s.io/x': 'y' } })
    await assert.rejects(
      kube.create(secretSyncs, reserved),
      /Labels should not contain secrets-store\.sync\.x-k8s\.io\. This key is reserved for the controller\./,
    )
  })

  await t.test('the controller’s account is refused everything else', async () => {
    const account = { namespace, name: 'secrets-store-sync-controller' }
    const { token } = await kube.createToken(account, { audiences: [], expirationSeconds: 600 })
    const { cert: _, key: __, ...config } = loadKubeconfig(process.env.KUBECONFIG ?? '')
    const controller = createKubeClient({ ...config, token: async () => token })
    t.after(() => controller.close())
    const owner = { apiVersion: 'secret-sync.x-k8s.io/v1alpha1', kind: 'SecretSync', name: 'own', uid: 'u' }
    const secret = (name: string, extra: Partial<Secret> = {}, owners = [owner]): Secret => ({
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { namespace, name, ...(owners.length === 0 ? {} : { ownerReferences: owners }) },
      type: 'Opaque',
      ...extra,
    })
    await kube.create(resources.secrets, secret('foreign', {}, []))
    const refused: Record<string, () => Promise<unknown>> = {
      'read a Secret': () => controller.get(resources.secrets, { namespace, name: 'app-db' }),
      'list Secrets': () => controller.list(resources.secrets, { namespace }),
      'delete a Secret': () => controller.delete(resources.secrets, { namespace, name: 'app-db' }),
      'create a Secret without an owner': () => controller.create(resources.secrets, secret('none', {}, [])),
      'create a Secret for another SecretSync': () => controller.create(resources.secrets, secret('other')),
      'create a token Secret': () => {
        const token = secret('own', { type: 'kubernetes.io/service-account-token' })
        token.metadata.annotations = { 'kubernetes.io/service-account.name': 'default' }
        return controller.create(resources.secrets, token)
      },
      'change a foreign Secret': () =>
        controller.patch(resources.secrets, { namespace, name: 'foreign' }, { data: { a: 'eA==' } }),
      'get a token of another audience': () =>
        controller.createToken(
          { namespace, name: 'app' },
          { audiences: ['https://kubernetes.default.svc'], expirationSeconds: 600 },
        ),
      'get a token of another lifetime': () =>
        controller.createToken(
          { namespace, name: 'app' },
          { audiences: ['api://AzureADTokenExchange'], expirationSeconds: 3600 },
        ),
      'change a spec': () =>
        controller.patch(secretSyncs, { namespace, name: 'app-db' }, { spec: { serviceAccountName: 'default' } }),
      'change a foreign annotation': () =>
        controller.patch(secretSyncs, { namespace, name: 'app-db' }, { metadata: { annotations: { x: 'y' } } }),
      'read pods': () => controller.list(resources.pods, { namespace }),
    }
    for (const [what, attempt] of Object.entries(refused)) {
      await assert.rejects(attempt, (error) => isForbidden(error) || /denied request/.test(String(error)), what)
    }
    await controller.patch(
      secretSyncs,
      { namespace, name: 'app-db' },
      { metadata: { annotations: { 'keymount.dev/last-check': 'now' } } },
    )
  })

  await kube.delete(secretSyncs, { namespace, name: 'app-db' })
  await until('the Secret to go', async () => (await valueOfSecret(release, 'app-db')) === undefined)
})

function syncOf(
  { namespace }: HelmRelease,
  name: string,
  object: Partial<SecretSync['spec']['secretObject']> = {},
): SecretSync {
  return {
    apiVersion: 'secret-sync.x-k8s.io/v1alpha1',
    kind: 'SecretSync',
    metadata: { namespace, name },
    spec: {
      secretProviderClassName: 'app',
      serviceAccountName: 'app',
      secretObject: { type: 'Opaque', data: [{ sourcePath: 'db', targetKey: 'password' }], ...object },
    },
  }
}

async function valueOfSecret({ kube, namespace }: HelmRelease, name: string): Promise<string | undefined> {
  try {
    const { data } = await kube.get(resources.secrets, { namespace, name })
    return Buffer.from(data?.password ?? '', 'base64').toString('utf8')
  } catch (error) {
    if (isNotFound(error)) return undefined
    throw error
  }
}

function ready(release: HelmRelease, name: string): Promise<string> {
  return condition(release, name, 'Ready', 'True', 'SecretUpToDate')
}

/** The message of the failure, which newer releases of upstream report at `SecretUpdated`. */
function failed(release: HelmRelease, name: string, reason: string): Promise<string> {
  return condition(release, name, 'SecretUpdated', 'False', reason)
}

function condition(
  { kube, namespace }: HelmRelease,
  name: string,
  type: string,
  status: string,
  reason: string,
): Promise<string> {
  return until(`${name}: ${type}=${status} ${reason}`, async () => {
    const { conditions = [] } = (await kube.get(secretSyncs, { namespace, name })).status ?? {}
    const found = conditions.find((one) => one.type === type)
    if (found?.status !== status || found.reason !== reason) throw new Error(JSON.stringify(conditions))
    return found.message
  })
}
