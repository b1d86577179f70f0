import assert from 'node:assert/strict'
import { before, it } from 'node:test'
import { resources } from '#kubernetes/client'
import { until } from '../../support/eventually.ts'
import type { Lab } from '../../support/lab.ts'
import {
  classResource,
  createClass,
  createDeployment,
  createPod,
  createReadyPod,
  fooSecret,
  ownersOf,
  read,
  run,
  secretOf,
} from '../mock-workload.ts'
import { createNamespace } from '../namespaces.ts'
import { productPod } from '../node.ts'
import { describeWithProvider, type E2eProvider } from '../provider/e2e-provider.ts'
import { deletePod, podEvent } from '../wait.ts'

const mockKey = 'This is mock key'

/**
 * The cases of upstream's end-to-end suite (e2e-provider.bats of the Secrets Store CSI driver) by their names, with a
 * third party's provider beside the Azure one. What its provider suites check beside these is in upstream-providers.ts.
 */
export function upstreamCases(lab: () => Lab): void {
  describeWithProvider('upstream: e2e-provider', lab, (provider) => {
    it('setup mock provider validation config', async () => {
      const { spec } = await lab().kube.get(resources.csiDrivers, { name: 'secrets-store.csi.k8s.io' })
      const audiences = (spec.tokenRequests ?? []).map(({ audience }) => audience)
      assert.ok(audiences.length > 0)
      await provider().requireTokens(audiences)
    })

    for (const plural of ['secretproviderclasses', 'secretproviderclasspodstatuses']) {
      it(`${plural} crd is established`, async () => {
        const name = `${plural}.secrets-store.csi.x-k8s.io`
        const { status } = await lab().kube.get(resources.customResourceDefinitions, { name })
        const { conditions = [] } = status as { conditions?: { type: string; status: string }[] }
        assert.equal(conditions.find(({ type }) => type === 'Established')?.status, 'True')
      })
    }

    it('Test rbac roles and role bindings exist', async () => {
      for (const name of [
        'secretproviderclasses-role',
        'secretproviderclasses-admin-role',
        'secretproviderclasses-viewer-role',
        'secretproviderclasspodstatuses-viewer-role',
        'secretprovidersyncing-role',
      ]) {
        await lab().kube.get(resources.clusterRoles, { name })
      }
      for (const name of ['secretproviderclasses-rolebinding', 'secretprovidersyncing-rolebinding'])
        await lab().kube.get(resources.clusterRoleBindings, { name })
    })

    for (const version of ['v1alpha1', 'v1'] as const) inlineVolumeCases(lab, version)
    syncCases(lab)
    namespacedCases(lab)
    multipleClassesCases(lab)
    rotationCases(lab, provider)
    metricsCase(lab)
  })
}

function inlineVolumeCases(lab: () => Lab, version: 'v1' | 'v1alpha1'): void {
  const pod = { name: 'secrets-store-inline-crd', namespace: '' }
  before(async () => {
    pod.namespace = await createNamespace(lab(), `test-${version}`)
  })

  it(`[${version}] deploy e2e-provider secretproviderclass crd`, async () => {
    await createClass(lab(), { namespace: pod.namespace, name: 'e2e-provider', version })
    const { apiVersion, spec } = await lab().kube.get(classResource(version), {
      namespace: pod.namespace,
      name: 'e2e-provider',
    })
    assert.equal(apiVersion, `secrets-store.csi.x-k8s.io/${version}`)
    assert.equal(spec?.provider, 'e2e-provider')
  })

  it(`[${version}] CSI inline volume test with pod portability`, async () => {
    await createReadyPod(lab(), { ...pod, classes: ['e2e-provider'] })
  })

  it(`[${version}] CSI inline volume test with pod portability - read secret from pod`, async () => {
    assert.equal(await read(lab(), pod, 'foo'), 'secret')
  })

  it(`[${version}] CSI inline volume test with pod portability - read key from pod`, async () => {
    assert.match(await read(lab(), pod, 'fookey'), new RegExp(mockKey))
  })

  if (version === 'v1alpha1') return
  it('CSI inline volume test with pod portability - unmount succeeds', async () => {
    await deletePod(lab(), pod.namespace, pod.name)
    const driver = await productPod(lab(), 'secrets-store-csi-driver')
    const path = `/api/v1/namespaces/kube-system/pods/${driver.metadata.name}/log?container=secrets-store`
    const log = await lab().kube.raw({ method: 'GET', path, headers: { accept: '*/*' } })
    assert.doesNotMatch(log, /failed to clean and unmount target path/)
  })
}

function syncCases(lab: () => Lab): void {
  const deployments = ['busybox-deployment', 'busybox-deployment-two']
  const pods: string[] = []
  let ref: { namespace: string; name: string }
  before(async () => {
    ref = { namespace: await createNamespace(lab(), 'sync'), name: 'foosecret' }
  })

  it('Sync with K8s secrets - create deployment', async () => {
    const { namespace } = ref
    await createClass(lab(), { namespace, name: 'e2e-provider-sync', secretObjects: [fooSecret()] })
    for (const name of deployments) {
      const deployment = { namespace, name, classes: ['e2e-provider-sync'], environmentFrom: 'foosecret' }
      pods.push(...(await createDeployment(lab(), deployment)))
    }
  })

  it('Sync with K8s secrets - read secret from pod, read K8s secret, read env var, check secret ownerReferences with multiple owners', async () => {
    for (const name of pods) {
      const pod = { namespace: ref.namespace, name }
      assert.equal(await read(lab(), pod, 'foo'), 'secret')
      assert.match(await read(lab(), pod, 'fookey'), new RegExp(mockKey))
      assert.equal((await run(lab(), pod, ['sh', '-c', 'echo $SECRET_USERNAME'])).trim(), 'secret')
    }
    const secret = await secretOf(lab(), ref)
    assert.equal(secret?.values.username, 'secret')
    assert.equal(secret.labels.environment, 'test')
    assert.equal(secret.labels['secrets-store.csi.k8s.io/managed'], 'true')
    const owners = await ownersOf(lab(), ref, 2)
    assert.deepEqual(
      owners.map(({ kind }) => kind),
      ['ReplicaSet', 'ReplicaSet'],
    )
  })

  it('Sync with K8s secrets - delete deployment, check owner ref updated, check secret deleted', async () => {
    for (const [i, name] of deployments.entries()) {
      await lab().kube.delete(resources.deployments, { namespace: ref.namespace, name })
      await ownersOf(lab(), ref, deployments.length - 1 - i)
    }
  })
}

function namespacedCases(lab: () => Lab): void {
  const className = 'e2e-provider-sync'
  const deployment = 'busybox-deployment'
  let ref: { namespace: string; name: string }
  let elsewhere: string
  let pods: string[]
  before(async () => {
    elsewhere = await createNamespace(lab(), 'elsewhere')
    ref = { namespace: await createNamespace(lab(), 'test-ns'), name: 'foosecret' }
  })

  it('Test Namespaced scope SecretProviderClass - create deployment', async () => {
    await createClass(lab(), { namespace: elsewhere, name: className, provider: 'invalidprovider' })
    await createClass(lab(), { namespace: ref.namespace, name: className, secretObjects: [fooSecret()] })
    const { namespace } = ref
    pods = await createDeployment(lab(), {
      namespace,
      name: deployment,
      classes: [className],
      environmentFrom: 'foosecret',
    })
  })

  it('Test Namespaced scope SecretProviderClass - Sync with K8s secrets - read secret from pod, read K8s secret, read env var, check secret ownerReferences', async () => {
    const pod = { namespace: ref.namespace, name: pods[0] ?? '' }
    assert.equal(await read(lab(), pod, 'foo'), 'secret')
    assert.equal((await run(lab(), pod, ['sh', '-c', 'echo $SECRET_USERNAME'])).trim(), 'secret')
    assert.equal((await secretOf(lab(), ref))?.values.username, 'secret')
    assert.equal((await ownersOf(lab(), ref, 1))[0]?.kind, 'ReplicaSet')
  })

  it('Test Namespaced scope SecretProviderClass - Sync with K8s secrets - delete deployment, check secret deleted', async () => {
    await lab().kube.delete(resources.deployments, { namespace: ref.namespace, name: deployment })
    await ownersOf(lab(), ref, 0)
  })

  it('Test Namespaced scope SecretProviderClass - Should fail when no secret provider class in same namespace', async () => {
    const namespace = await createNamespace(lab(), 'negative-ns')
    await createPod(lab(), { namespace, name: 'busybox', classes: [className] })
    const contract = `failed to get secretproviderclass ${namespace}/${className}`
    await podEvent(lab(), namespace, 'busybox', 'FailedMount', contract, 'not found')
    await deletePod(lab(), namespace, 'busybox')
  })
}

function multipleClassesCases(lab: () => Lab): void {
  const classes = ['e2e-provider-spc-0', 'e2e-provider-spc-1']
  const pod = { namespace: '', name: 'secrets-store-inline-multiple-crd' }
  before(async () => {
    pod.namespace = await createNamespace(lab(), 'multiple')
  })

  it('deploy multiple e2e provider secretproviderclass crd', async () => {
    for (const [i, name] of classes.entries()) {
      await createClass(lab(), { namespace: pod.namespace, name, secretObjects: [fooSecret(`foosecret-${i}`)] })
    }
  })

  it('deploy pod with multiple secret provider class', async () => {
    await createReadyPod(lab(), { ...pod, classes, environmentFrom: 'foosecret-1' })
  })

  it('CSI inline volume test with multiple secret provider class', async () => {
    assert.equal((await run(lab(), pod, ['sh', '-c', 'echo $SECRET_USERNAME'])).trim(), 'secret')
    for (const [i, className] of classes.entries()) {
      assert.equal(await read(lab(), pod, 'foo', i), 'secret')
      assert.match(await read(lab(), pod, 'fookey', i), new RegExp(mockKey))
      const ref = { namespace: pod.namespace, name: `foosecret-${i}` }
      assert.equal((await secretOf(lab(), ref))?.values.username, 'secret')
      const [owner] = await ownersOf(lab(), ref, 1)
      assert.equal(owner?.kind, 'SecretProviderClassPodStatus')
      assert.equal(owner.name, `${pod.name}-${pod.namespace}-${className}`)
    }
  })
}

function rotationCases(lab: () => Lab, provider: () => E2eProvider): void {
  const pod = { namespace: '', name: 'secrets-store-inline-rotation' }
  before(async () => {
    pod.namespace = await createNamespace(lab(), 'rotation')
  })

  it('Test auto rotation of mount contents and K8s secrets - Create deployment', async () => {
    const { namespace } = pod
    await createClass(lab(), { namespace, name: 'e2e-provider-rotation', secretObjects: [fooSecret('rotationsecret')] })
    await createReadyPod(lab(), { ...pod, classes: ['e2e-provider-rotation'] })
  })

  it('Test auto rotation of mount contents and K8s secrets', async () => {
    const ref = { namespace: pod.namespace, name: 'rotationsecret' }
    assert.equal(await read(lab(), pod, 'foo'), 'secret')
    assert.equal((await secretOf(lab(), ref))?.values.username, 'secret')
    await provider().setRotated(true)
    try {
      await until('the file to be rotated', async () => (await read(lab(), pod, 'foo')) === 'rotated' || undefined)
      await until('the Secret to be rotated', async () => {
        return (await secretOf(lab(), ref))?.values.username === 'rotated' || undefined
      })
    } finally {
      await provider().setRotated(false)
    }
  })
}

function metricsCase(lab: () => Lab): void {
  it('Validate that the metrics are exposed', async () => {
    const driver = await productPod(lab(), 'secrets-store-csi-driver')
    const container = driver.spec.containers.find(({ name }) => name === 'secrets-store')
    const port = container?.ports?.find(({ name }) => name === 'metrics')?.containerPort
    const script = `fetch("http://127.0.0.1:${port}/metrics").then((r) => r.text()).then((t) => process.stdout.write(t))`
    const ref = { namespace: 'kube-system', name: driver.metadata.name ?? '' }
    const { stdout } = await lab().exec(ref.namespace, ref.name, 'secrets-store', ['/usr/local/bin/node', '-e', script])
    for (const name of ['node_publish_total', 'node_unpublish_total', 'rotation_reconcile_total'])
      assert.match(stdout, new RegExp(`^${name}\\{`, 'm'))
  })
}
