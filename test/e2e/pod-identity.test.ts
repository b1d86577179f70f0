import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { execInPod, type Pod, resources, wasFound } from '#kubernetes/client'
import { podIdentityNames } from '#product/pod-identity'
import { azMissing, findAz } from '../support/az.ts'
import { until } from '../support/eventually.ts'
import { createHelmRelease, type HelmRelease } from '../support/helm-release.ts'
import { type TestAzure, type TestIdentity, testGroup } from '../support/local-azure.ts'
import { mayHavePodNetwork, noPodNetwork } from '../support/may-have-pod-network.ts'
import { startPodNetworkCluster } from '../support/pod-network-cluster.ts'
import { openMigrationGuide } from './migration-guide.ts'
import { leaksIn, plant } from './planted.ts'
import { noHelm, noNodeHost } from './real-cluster-only.ts'

/**
 * Pod identity as the chart installs it, on a real cluster or on a local one with pod networks: the node is an instance of a scale set of the local Azure, whose
 * IMDS answers for what the scale set has. Pods ask at the address of IMDS, and the provider mounts with `usePodIdentity`.
 */
const scaleSet = 'aks-nodes-vmss'

const { KEYMOUNT_E2E, KUBECONFIG } = process.env
const isReal = KEYMOUNT_E2E === 'real'
const lacking = isReal ? [noHelm, noNodeHost] : [noHelm, mayHavePodNetwork() ? undefined : noPodNetwork]
const reason = lacking.find((one) => one !== undefined)
const options = reason === undefined ? {} : { skip: reason }
const noAz = findAz() === undefined ? azMissing : undefined
const migration = noAz === undefined ? {} : { skip: noAz }

test('pod identity gives pods the identities of their bindings, and no others', options, async (t) => {
  const world = await createWorld(t)
  const { release } = world
  const { kube, namespace, azure } = release

  await t.test(
    'a pod with the label gets its file by usePodIdentity, and its identity is on the scale set',
    async () => {
      await world.startPod('web', { selector: 'shop' })
      await release.podReady('web')
      assert.equal(await release.read('web'), world.secret)
      assert.deepEqual(await world.machineIdentities(), ['shop'])
      const assigned = await kube.get(resources.azureAssignedIdentities, {
        namespace: 'default',
        name: `web-${namespace}-shop`,
      })
      assert.equal(assigned.status?.status, 'Assigned')
    },
  )

  await t.test('a second pod without a binding is refused, with the reason in its event', async () => {
    await world.startPod('stranger', {})
    await until('the event', async () => {
      const { items } = await kube.list(resources.events, { namespace })
      const own = items.filter(({ involvedObject }) => involvedObject.name === 'stranger')
      return own.some(({ message = '' }) => message.includes('pod-identity-not-bound')) || undefined
    })
    await release.deletePod('stranger')
  })

  await t.test('an application that asks IMDS gets a token of its own identity, whatever others have', async () => {
    await world.bind('bank')
    await world.startPod('client', { selector: 'bank', mounts: false })
    await release.podReady('client')
    const { clientId } = world.identities.get('bank') ?? { clientId: '' }
    const answer = await until('a token', async () => {
      const { status, body } = await world.ask('client', tokenPath)
      return status === 200 ? (JSON.parse(body) as Record<string, string>) : undefined
    })
    assert.equal(claims(answer.access_token ?? '').appid, clientId)
    assert.match(answer.expires_on ?? '', /^\d+$/)
    assert.deepEqual(await world.machineIdentities(), ['bank', 'shop'])
    const ofOther = world.identities.get('shop')?.clientId
    assert.equal((await world.ask('client', `${tokenPath}&client_id=${ofOther}`)).status, 404)
  })

  await t.test('an init container gets a token as well', async () => {
    await world.startPod('early', { selector: 'bank', mounts: false, init: askUntilAnswered })
    await release.podReady('early')
    await release.deletePod('early')
  })

  await t.test('a request without the header, for the machine, or by another spelling is refused', async () => {
    assert.equal((await world.ask('client', tokenPath, [])).status, 400)
    assert.equal((await world.ask('client', '/metadata/instance?api-version=2021-02-01')).status, 403)
    assert.equal((await world.ask('client', tokenPath.replace('identity/', 'identity%5C'))).status, 400)
    assert.equal((await world.ask('client', '/host/token/?resource=https://vault.azure.net')).status, 400)
    const asWeb = [`podname: web`, `podns: ${namespace}`]
    assert.equal((await world.ask('client', '/host/token/?resource=https://vault.azure.net', asWeb)).status, 500)
    // The IMDS of the lab knows nothing of it, which is its own answer.
    assert.equal((await world.ask('client', '/metadata/doesnotexist')).status, 501)
  })

  await t.test('an excepted pod gets what IMDS itself gives', async () => {
    await kube.create(resources.azurePodIdentityExceptions, {
      apiVersion: 'aadpodidentity.k8s.io/v1',
      kind: 'AzurePodIdentityException',
      metadata: { namespace, name: 'tools' },
      spec: { podLabels: { role: 'tool' } },
    })
    await world.startPod('tool', { labels: { role: 'Tool' }, mounts: false })
    await release.podReady('tool')
    const { clientId } = world.identities.get('shop') ?? { clientId: '' }
    const { body } = await world.ask('tool', `${tokenPath}&client_id=${clientId}`)
    assert.equal(claims((JSON.parse(body) as { access_token: string }).access_token).appid, clientId)
    await release.deletePod('tool')
  })

  await t.test('the identity leaves the scale set when its last pod is gone', async () => {
    await world.startPod('web-2', { selector: 'shop' })
    await release.podReady('web-2')
    await release.deletePod('web')
    await until('the assignment of the first pod gone', async () =>
      (await wasFound(
        kube.get(resources.azureAssignedIdentities, { namespace: 'default', name: `web-${namespace}-shop` }),
      ))
        ? undefined
        : true,
    )
    assert.deepEqual(await world.machineIdentities(), ['bank', 'shop'])
    await release.deletePod('web-2')
    await until('the identity gone', async () =>
      (await world.machineIdentities()).includes('shop') ? undefined : true,
    )
    assert.deepEqual(await world.machineIdentities(), ['bank'])
  })

  await t.test('another replica leads when the leader is killed', async () => {
    const leader = await world.leader()
    await kube.delete(resources.pods, { namespace, name: leader }, { gracePeriodSeconds: 0 })
    await until('another leader', async () => ((await world.leader()) === leader ? undefined : true))
    await world.startPod('web-3', { selector: 'shop' })
    await release.podReady('web-3')
    assert.equal(await release.read('web-3'), world.secret)
    await release.deletePod('web-3')
  })

  await t.test('no token and no secret is in the logs of both programs', async () => {
    for (const component of ['mic', 'nmi']) {
      const logs = await world.logs(component)
      assert.match(logs, /"level":/)
      assert.deepEqual(leaksIn(logs), [])
    }
    assert.deepEqual(leaksIn(JSON.stringify((await kube.list(resources.events, {})).items)), [])
  })

  await t.test(
    'docs/migrate-from-pod-identity.md leads to workload identity, and the application notices nothing',
    migration,
    async (t) => {
      await release.deletePod('client')
      const { clientId } = world.identities.get('shop') ?? { clientId: '' }
      await world.startDeployment('orders', 'shop')
      const works = async (label: string) => {
        const { metadata } = await world.readyPod(label)
        const name = metadata.name ?? ''
        assert.equal(await release.read(name), world.secret)
        const token = await until('a token', async () => {
          const { status, body } = await world.ask(name, tokenPath)
          return status === 200 ? (JSON.parse(body) as { access_token: string }).access_token : undefined
        })
        assert.equal(claims(token).appid, clientId)
        return name
      }
      await works('app=orders,aadpodidbinding=shop')

      const guide = await openMigrationGuide(t, {
        azure,
        variables: { RELEASE: namespace, RELEASE_NAMESPACE: namespace, NAMESPACE: namespace },
        apiServer: new URL(kube.server).hostname,
        kubeconfig: world.kubeconfig,
      })
      await guide.follow(1)
      await guide.follow(2)
      const { stdout } = await guide.follow(3)
      assert.deepEqual(stdout.trim().split('\n'), [
        'federated-credentials.sh',
        'orders-serviceaccount.yaml',
        'orders.yaml',
      ])
      await guide.follow(4)
      await works('app=orders,aadpodidbinding=shop')
      await guide.follow(5)
      const pod = await works('app=orders,azure.workload.identity/use=true')
      const { metadata, spec } = await kube.get(resources.pods, { namespace, name: pod })
      assert.equal(metadata.labels?.[podIdentityNames.podLabel], undefined)
      assert.ok(spec.initContainers?.some(({ name }) => name === 'azwi-proxy'))
      await guide.follow(6)
      await until('no identity on the scale set', async () =>
        (await world.machineIdentities()).includes('shop') ? undefined : true,
      )
      await guide.follow(7)
      assert.equal(
        await wasFound(
          kube.get(resources.customResourceDefinitions, { name: 'azureidentities.aadpodidentity.k8s.io' }),
        ),
        false,
      )
      await works('app=orders,azure.workload.identity/use=true')

      // The redirection is gone with the node endpoint: a pod without a sidecar reaches the true address, where nothing answers.
      await world.startPod('plain', { mounts: false })
      await release.podReady('plain')
      assert.equal((await world.ask('plain', tokenPath)).status, 0)
    },
  )
})

const tokenPath = '/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https://vault.azure.net'

/** A request to IMDS as printf(1) takes it. */
function requestFor(path: string, headers: readonly string[]): string {
  const lines = [`GET ${path} HTTP/1.1`, 'Host: 169.254.169.254', 'Connection: close', ...headers, '', '']
  return lines.join('\\r\\n').replaceAll('%', '%%')
}

/** Ends well when IMDS gives a token, within half a minute. */
const askUntilAnswered = [
  'for i in $(seq 30); do',
  `nc -w 5 169.254.169.254 80 -e /bin/sh -c "printf '${requestFor(tokenPath, ['Metadata: true'])}'; head -n 1 >&2" 2>&1 | grep -q '200 OK' && exit 0`,
  'sleep 1',
  'done',
  'exit 1',
].join('\n')

interface Answer {
  /** 0 when there was no answer. */
  status: number
  body: string
}

interface World {
  release: HelmRelease
  /** File. */
  kubeconfig: string
  secret: string
  identities: Map<string, TestIdentity>
  bind(name: string): Promise<TestIdentity>
  startPod(
    name: string,
    options: { selector?: string; labels?: Record<string, string>; mounts?: boolean; init?: string },
  ): Promise<void>
  /** Asks the address of IMDS from inside a pod. */
  ask(pod: string, path: string, headers?: string[]): Promise<Answer>
  /** Names of the managed identities that the scale set has. */
  machineIdentities(): Promise<string[]>
  /** Name of the leading pod. */
  leader(): Promise<string>
  logs(component: string): Promise<string>
  /** A Deployment of one pod that mounts the class and asks IMDS, with the label `app`. */
  startDeployment(name: string, selector: string): Promise<void>
  /** The one pod with these labels, when it is Ready and no other is left. */
  readyPod(labelSelector: string): Promise<Pod>
}

async function createWorld(t: TestContext): Promise<World> {
  const cluster = isReal ? undefined : await startPodNetworkCluster(t)
  const release = await createHelmRelease(t, { values: podIdentityValues, cluster })
  const { kube, kubeConfig, namespace, azure, vault, driver } = release
  const machine = await createScaleSet(release)
  const identities = new Map<string, TestIdentity>()
  const secret = plant(`planted for ${namespace}`)
  await release.install()
  await release.setSecret(secret)
  await kube.patch(
    resources.secretProviderClasses,
    { namespace, name: 'app' },
    { spec: { parameters: { usePodIdentity: 'true', clientID: null } } },
  )

  const bind = async (name: string) => {
    const identity = await azure.createIdentity(name)
    identities.set(name, identity)
    await azure.assignRole('Key Vault Secrets User', identity.principalId, vault.id)
    const metadata = { namespace, name }
    const apiVersion = 'aadpodidentity.k8s.io/v1'
    const { id: resourceID, clientId: clientID } = identity
    await kube.create(resources.azureIdentities, {
      apiVersion,
      kind: 'AzureIdentity',
      metadata,
      spec: { type: 0, resourceID, clientID },
    })
    await kube.create(resources.azureIdentityBindings, {
      apiVersion,
      kind: 'AzureIdentityBinding',
      metadata,
      spec: { azureIdentity: name, selector: name },
    })
    return identity
  }
  await bind('shop')

  return {
    release,
    kubeconfig: cluster?.kubeconfig ?? KUBECONFIG ?? '',
    secret,
    identities,
    bind,
    async startPod(name, { selector, labels = {}, mounts = true, init }) {
      const label = selector === undefined ? {} : { [podIdentityNames.podLabel]: selector }
      await kube.create(
        resources.pods,
        podOf({ namespace, name, driver, mounts, init, labels: { ...labels, ...label } }),
      )
    },
    async ask(pod, path, headers = ['Metadata: true']) {
      // The program of -e has the connection as its standard streams, and the error stream is ours.
      const speak = `printf '${requestFor(path, headers)}'; cat >&2`
      const command = ['timeout', '30', 'nc', '-w', '5', '169.254.169.254', '80', '-e', '/bin/sh', '-c', speak]
      const { stderr } = await execInPod(kubeConfig, { namespace, pod, container: undefined, command })
      const [head = '', body = ''] = stderr.split('\r\n\r\n')
      return { status: Number(/^HTTP\/1\.1 (\d+)/.exec(head)?.[1] ?? 0), body }
    },
    async machineIdentities() {
      const { identity } = await azure.arm.get(machine)
      const ids = Object.keys(identity?.userAssignedIdentities ?? {})
      return ids.map((id) => id.split('/').at(-1) ?? '').toSorted()
    },
    async leader() {
      const { spec } = await kube.get(resources.leases, { namespace, name: 'aad-pod-identity-mic' })
      return spec?.holderIdentity ?? ''
    },
    async logs(component) {
      const { items } = await kube.list(resources.pods, { namespace, labelSelector: `component=${component}` })
      const read = ({ metadata }: Pod) =>
        kube.raw({ method: 'GET', path: `/api/v1/namespaces/${namespace}/pods/${metadata.name}/log` })
      return (await Promise.all(items.map(read))).join('\n')
    },
    async startDeployment(name, selector) {
      const labels = { app: name }
      const { spec } = podOf({ namespace, name, driver, mounts: true, labels })
      const metadata = { labels: { ...labels, [podIdentityNames.podLabel]: selector } }
      await kube.create(resources.deployments, {
        apiVersion: 'apps/v1',
        kind: 'Deployment',
        metadata: { namespace, name },
        spec: { replicas: 1, selector: { matchLabels: labels }, template: { metadata, spec } },
      })
    },
    readyPod: (labelSelector) =>
      until(`one pod with ${labelSelector}`, async () => {
        const { items } = await kube.list(resources.pods, { namespace, labelSelector })
        const [pod, ...others] = items.filter(({ metadata }) => metadata.deletionTimestamp === undefined)
        const ready = pod?.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True')
        return ready === true && others.length === 0 ? pod : undefined
      }),
  }
}

/** The controller signs in as the owner of the subscription; the node endpoint asks the IMDS of the lab, and waits little. */
function podIdentityValues({ administrator, imds }: TestAzure): object {
  const { tenantId, subscriptionId, clientId, clientSecret } = administrator
  return {
    podIdentity: {
      enabled: true,
      adminsecret: {
        cloud: 'AzurePublicCloud',
        subscriptionID: subscriptionId,
        resourceGroup: testGroup,
        vmType: 'vmss',
        tenantID: tenantId,
        clientID: clientId,
        clientSecret: plant(clientSecret),
      },
      mic: { leaderElection: { duration: '5s' } },
      nmi: {
        blockInstanceMetadata: true,
        retryAttemptsForCreated: 4,
        retryAttemptsForAssigned: 10,
        findIdentityRetryIntervalInSeconds: 1,
        extraArgs: [`--imds-endpoint=${imds}`],
      },
    },
  }
}

/** A scale set of which the cluster's node is an instance. */
async function createScaleSet({ kube, azure }: HelmRelease): Promise<string> {
  const { subscriptionId } = azure.administrator
  const id = `/subscriptions/${subscriptionId}/resourceGroups/${testGroup}/providers/Microsoft.Compute/virtualMachineScaleSets/${scaleSet}`
  await azure.arm.put(id, { location: 'westeurope', properties: {} })
  const { items } = await kube.list(resources.nodes)
  for (const { metadata, spec } of items) {
    assert.equal(
      spec?.providerID,
      undefined,
      'a node has one provider id for its life: the cluster has to be a fresh one',
    )
    const providerID = `azure://${id}/virtualMachines/0`
    await kube.patch(resources.nodes, { name: metadata.name ?? '' }, { spec: { providerID } })
  }
  return id
}

interface PodSettings {
  namespace: string
  name: string
  driver: string
  labels: Record<string, string>
  mounts: boolean
  /** Shell of an init container. */
  init?: string | undefined
}

function podOf({ namespace, name, driver, labels, mounts, init }: PodSettings): Pod {
  const image = 'registry.k8s.io/e2e-test-images/busybox:1.29-4'
  const volume = { driver, readOnly: true, volumeAttributes: { secretProviderClass: 'app' } }
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { namespace, name, labels },
    spec: {
      terminationGracePeriodSeconds: 1,
      containers: [
        {
          name: 'app',
          image,
          command: ['/bin/sleep', '10000'],
          ...(mounts && { volumeMounts: [{ name: 'secrets', mountPath: '/mnt/secrets-store', readOnly: true }] }),
        },
      ],
      ...(init !== undefined && { initContainers: [{ name: 'init', image, command: ['/bin/sh', '-c', init] }] }),
      ...(mounts && { volumes: [{ name: 'secrets', csi: volume }] }),
    },
  }
}

function claims(token: string): Record<string, unknown> {
  return JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8')) as Record<string, unknown>
}
