import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { eventually } from '../../support/eventually.ts'
import { mayMount } from '../../support/may-mount.ts'
import { temporaryHome } from './lab-in-temporary-home.ts'
import { clusterSkip, kubectlWith, type LabTools, labTools } from './lab-tools.ts'

const skip = clusterSkip() ?? (mayMount() ? false : 'needs the right to mount')

const addon = 'azure-keyvault-secrets-provider'
const onShop = '-g shop -n shop'
const nodeGroup = 'MC_shop_shop_westeurope'
const addonDaemonSets = ['aks-secrets-store-csi-driver', 'aks-secrets-store-provider-azure']

test('az makes clusters of the lab, with Keymount as their add-on', { skip }, async (t) => {
  const home = await temporaryHome(t)
  const lab = await home.up()
  const tools = await labTools(t, home)
  const { az, kubectl } = tools

  await t.test('the cluster of "up" is a managed one, with the add-on', async () => {
    const [found, ...others] = (await az('aks list')) as { name: string; resourceGroup: string }[]
    assert.deepEqual([found?.resourceGroup, found?.name, others.length], ['keymount', 'keymount', 0])
    const shown = await az(
      'aks show -g keymount -n keymount --query',
      '[provisioningState, addonProfiles.azureKeyvaultSecretsProvider.enabled, oidcIssuerProfile.issuerUrl]',
    )
    assert.deepEqual(shown, ['Succeeded', true, lab.issuer])
  })

  await t.test('another "up" leaves what az changed of it', async () => {
    await az('aks update -g keymount -n keymount --tags team=shop')
    await home.up()
    assert.deepEqual(await az('aks show -g keymount -n keymount --query', 'tags'), { team: 'shop' })
  })

  await t.test('aks create starts a further one, whose kubeconfig get-credentials merges', async () => {
    await az('group create -n shop -l westeurope')
    const created = await az(
      `aks create ${onShop} --node-count 1 --generate-ssh-keys --enable-oidc-issuer --enable-addons ${addon} --enable-secret-rotation --rotation-poll-interval 30s --query`,
      '[provisioningState, nodeResourceGroup, identityProfile.kubeletidentity.resourceId, addonProfiles.azureKeyvaultSecretsProvider.identity.resourceId]',
    )
    const [state, group, ...identities] = created as string[]
    assert.deepEqual([state, group], ['Succeeded', nodeGroup])
    assert.deepEqual(
      identities.map((id) => id.split('/').at(-1)),
      ['shop-agentpool', 'azurekeyvaultsecretsprovider-shop'],
    )
    await az(`aks get-credentials ${onShop} -f ${tools.kubeconfig}`)
    assert.equal(await kubectl('config', 'current-context'), 'shop')
    await az(`aks get-credentials ${onShop} --admin -f ${tools.kubeconfig}`)
    assert.equal(await kubectl('config', 'current-context'), 'shop-admin')
    assert.deepEqual(await az('aks nodepool list --cluster-name shop -g shop --query', '[].name'), ['nodepool1'])
    const instances = await az(
      `vmss list-instances -g ${nodeGroup} -n ${await scaleSetOf(tools)} --query`,
      '[].osProfile.computerName',
    )
    assert.equal(
      await kubectl('get', 'nodes', '-o', 'jsonpath={.items[*].metadata.name}'),
      (instances as string[]).join(' '),
    )
  })

  await t.test('the pods of the add-on are found as on AKS, by its names and labels', async () => {
    const app = 'app in (secrets-store-csi-driver,secrets-store-provider-azure)'
    const shown = await kubectl('get', 'pods', '-n', 'kube-system', '-l', app, '-o', 'wide')
    const [head = '', ...rows] = shown.split('\n')
    assert.match(head, /^NAME +READY +STATUS +RESTARTS +AGE +IP +NODE +NOMINATED NODE +READINESS GATES/)
    assert.equal(rows.length, 2, shown)
    assert.match(rows[0] ?? '', /^aks-secrets-store-csi-driver-\w{5} +1\/1 +Running +0 /)
    assert.match(rows[1] ?? '', /^aks-secrets-store-provider-azure-\w{5} +1\/1 +Running +0 /)
    const managed = ['-l', 'kubernetes.azure.com/managedby=aks', '-o', 'name']
    assert.equal((await kubectl('get', 'pods', '-n', 'kube-system', ...managed)).split('\n').length, 2)
    assert.deepEqual(await daemonSetsOf(kubectl), addonDaemonSets)
  })

  await t.test('without a file, az merges into the one of "keymount env", and up keeps what is there', async () => {
    const { KUBECONFIG = '' } = JSON.parse((await home.keymount('env', '--json')).stdout) as Record<string, string>
    const merged = kubectlWith(KUBECONFIG, home.path)
    assert.equal(await merged('config', 'get-contexts', '-o', 'name'), 'keymount')
    await az(`aks get-credentials ${onShop}`)
    await home.up()
    assert.equal(await merged('config', 'get-contexts', '-o', 'name'), 'keymount\nshop')
    assert.equal(await merged('config', 'current-context'), 'shop')
    await az('aks get-credentials -g keymount -n keymount')
    assert.equal(await merged('get', 'nodes', '-o', 'name'), 'node/keymount-local')
    // The lab itself does not look into it.
    assert.equal((await home.status()).state, 'up')
  })

  await t.test('the settings of the add-on reach the driver, and can be changed', async () => {
    assert.match(await driverArguments(tools), /--enable-secret-rotation=true.*--rotation-poll-interval=30s/)
    await az(`aks update ${onShop} --rotation-poll-interval 45s --enable-secret-rotation`)
    assert.match(await driverArguments(tools), /--rotation-poll-interval=45s/)
  })

  await t.test('DaemonSets with the names of an earlier version make way for those of the add-on', async () => {
    await withEarlierNames(kubectl)
    await az(`aks update ${onShop} --rotation-poll-interval 45s --enable-secret-rotation`)
    assert.deepEqual(await daemonSetsOf(kubectl), addonDaemonSets)

    const primary = kubectlWith(lab.kubeconfig, home.path)
    await withEarlierNames(primary)
    await home.up()
    assert.deepEqual(await daemonSetsOf(primary), addonDaemonSets)
  })

  await t.test('a pod reads a secret as the identity of the add-on', async () => {
    const identity = (await az(
      `aks show ${onShop} --query`,
      'addonProfiles.azureKeyvaultSecretsProvider.identity',
    )) as { clientId: string; objectId: string }
    await shopVault(tools, identity.objectId)
    const values = {
      USER_ASSIGNED_CLIENT_ID: identity.clientId,
      KEYVAULT_NAME: 'shop-vault',
      IDENTITY_TENANT: await tenantOf(tools),
    }
    await kubectl.apply(tools.example('managed-identity', values))
    await kubectl('wait', '--for=condition=Ready', 'pod/managed-identity', '--timeout=60s')
    assert.equal(
      await kubectl('exec', 'managed-identity', '--', 'cat', '/mnt/secrets-store/ExampleSecret'),
      'from the vault',
    )
  })

  await t.test('IMDS answers each cluster for the identities of its own nodes, and for no other', async () => {
    const clientId = (await az(
      `aks show ${onShop} --query`,
      'addonProfiles.azureKeyvaultSecretsProvider.identity.clientId',
    )) as string
    const shop = await tools.imdsOf(tools.kubeconfig)
    const primary = await tools.imdsOf(lab.kubeconfig)
    assert.notEqual(shop, primary)
    assert.equal((await token(shop, clientId)).status, 200)
    for (const other of [primary, lab.azure.imds]) {
      const { status, body } = await token(other, clientId)
      assert.deepEqual([status, body.error_description], [400, 'Identity not found'])
    }
  })

  await t.test('the add-on stays while there are classes, and goes when there are none', async () => {
    await az.fails(
      `aks disable-addons ${onShop} -a ${addon}`,
      /AzureKeyvaultSecretsProvider addon cannot be disabled due to more than 0 Secret Provider Classes: default\/managed-identity/,
    )
    await kubectl('delete', 'pod/managed-identity', 'secretproviderclass/managed-identity', '--grace-period=1')
    await az(`aks disable-addons ${onShop} -a ${addon}`)
    assert.equal(await kubectl('get', 'pods', '-n', 'kube-system', '-o', 'name'), '')
    const left = await az(`identity list -g ${nodeGroup} --query`, '[].name')
    assert.deepEqual(left, ['shop-agentpool'])
  })

  await t.test('workload identity brings the webhook, which labelled pods are created through', async () => {
    const variables = async (pod: string) => {
      await kubectl('run', pod, '--image=busybox', '--labels=azure.workload.identity/use=true', '--', 'sleep', '60')
      return kubectl('get', 'pod', pod, '-o', 'jsonpath={.spec.containers[0].env[*].name}')
    }
    await az(`aks update ${onShop} --enable-workload-identity`)
    assert.match(await variables('with-webhook'), /AZURE_FEDERATED_TOKEN_FILE/)
    await az(`aks update ${onShop} --disable-workload-identity`)
    assert.equal(await variables('without-webhook'), '')
    await kubectl('delete', 'pod', 'with-webhook', 'without-webhook', '--grace-period=1')
  })

  await t.test(
    'a cluster comes back after down and up, with the issuer that credentials are federated with',
    async () => {
      const issuer = (await az(`aks show ${onShop} --query`, 'oidcIssuerProfile.issuerUrl')) as string
      assert.equal((await home.keymount('down')).code, 0)
      assert.deepEqual(await home.up().then(({ started }) => started.includes('local-azure')), true)
      assert.equal(await az(`aks show ${onShop} --query`, 'oidcIssuerProfile.issuerUrl'), issuer)
      await az('identity create -g shop -n orders')
      await az(
        `identity federated-credential create -g shop --identity-name orders -n pod --issuer ${issuer} --subject system:serviceaccount:default:default`,
      )
      const assertion = await kubectl('create', 'token', 'default', '--audience', 'api://AzureADTokenExchange')
      const client = (await az('identity show -g shop -n orders --query', 'clientId')) as string
      await tools
        .fresh()
        .az(
          `login --service-principal -u ${client} -t ${await tenantOf(tools)} --federated-token ${assertion} --allow-no-subscriptions`,
        )
    },
  )

  await t.test('status shows which process is which cluster', async () => {
    const { state, processes } = await home.status()
    assert.equal(state, 'up')
    assert.deepEqual(
      processes.flatMap(({ cluster }) => cluster ?? []),
      ['shop/shop'],
    )
  })

  await t.test('a stopped cluster runs no process until it is started', async () => {
    await az(`aks stop ${onShop}`)
    assert.equal(await az(`aks show ${onShop} --query`, 'powerState.code'), 'Stopped')
    assert.equal((await home.status()).processes.length, 2)
    await az.fails(`aks update ${onShop} --tags a=b`, /is stopped/)
    await az(`aks start ${onShop}`)
    assert.equal((await home.status()).processes.length, 3)
  })

  await t.test('upgrades know the one version that there is', async () => {
    const [version] = (await az(
      'aks get-versions -l westeurope --query',
      'values[].patchVersions.keys(@)[]',
    )) as string[]
    assert.equal(version, await az(`aks show ${onShop} --query`, 'currentKubernetesVersion'))
    await az(`aks upgrade ${onShop} -k ${version} --yes`)
    await az.fails(`aks upgrade ${onShop} -k 9.9.9 --yes`, /K8sVersionNotSupported/)
  })

  await t.test('aks delete leaves nothing', async () => {
    await az(`aks delete ${onShop} --yes`)
    assert.deepEqual(await az('aks list --query', '[].name'), ['keymount'])
    assert.deepEqual(
      ((await az('group list --query', '[].name')) as string[]).filter((name) => name.startsWith('MC_shop')),
      [],
    )
    assert.deepEqual(traces(home.path), [])
  })
})

test('the cluster of "up" is deleted as any other, and created again by the next "up"', { skip }, async (t) => {
  const home = await temporaryHome(t)
  const before = await home.up()
  const { az } = await labTools(t, home)
  const ca = readFileSync(before.kubeconfig, 'utf8')
  await az('aks delete -g keymount -n keymount --yes')
  assert.ok(!existsSync(before.kubeconfig))
  assert.equal((await home.status()).state, 'partly')
  const after = await home.up()
  assert.equal(after.server, before.server)
  assert.notEqual(readFileSync(after.kubeconfig, 'utf8'), ca)
  assert.equal((await home.status()).state, 'up')
})

test('kill -9 while a cluster is made leaves one that has failed, and that can be deleted or made', {
  skip,
}, async (t) => {
  const home = await temporaryHome(t)
  await home.up()
  const { az } = await labTools(t, home)
  await az('group create -n shop -l westeurope')
  const { processes } = await home.status()
  const created = az(`aks create ${onShop} --generate-ssh-keys`).then(
    () => 'done',
    () => 'cut short',
  )
  await eventually(() => assert.ok(existsSync(join(home.path, 'aks-1'))))
  await killed(t, processes.find(({ name }) => name === 'local-azure')?.pid)
  assert.equal(await created, 'cut short')
  // A creation that ended before its first file.
  mkdirSync(join(home.path, 'aks-2'))

  await home.up()
  const shown = await az(`aks show ${onShop} --query`, '[provisioningState, status.provisioningError.message]')
  assert.deepEqual(shown, ['Failed', 'The local Azure was stopped before this operation finished.'])
  // What was begun goes by itself, with its process.
  await eventually(() => assert.deepEqual(traces(home.path), []))
  assert.equal((await home.status()).state, 'up')

  await az(`aks update ${onShop} --tags made=now`)
  assert.deepEqual(traces(home.path), ['aks-1', 'aks-1.process.json', 'aks-1.ready.json'])
  await az(`aks delete ${onShop} --yes`)
  assert.deepEqual(traces(home.path), [])
})

test('two labs on one machine have clusters of the same name, and neither sees the other', { skip }, async (t) => {
  const homes = [await temporaryHome(t), await temporaryHome(t)]
  await Promise.all(homes.map((home) => home.up()))
  const labs = await Promise.all(homes.map((home) => labTools(t, home)))
  await Promise.all(
    labs.map(async ({ az, kubeconfig }) => {
      await az('group create -n shop -l westeurope')
      await az(`aks create ${onShop} --generate-ssh-keys`)
      await az(`aks get-credentials ${onShop} -f ${kubeconfig}`)
    }),
  )
  const [one, two] = labs as [LabTools, LabTools]
  await one.kubectl('create', 'configmap', 'mine')
  assert.equal(await two.kubectl('get', 'configmap', 'mine', '--ignore-not-found'), '')
  await one.az(`aks delete ${onShop} --yes`)
  assert.equal(
    await two.kubectl('get', 'nodes', '-o', 'jsonpath={.items[*].status.conditions[?(@.type=="Ready")].status}'),
    'True',
  )
})

/** What is left of clusters that az created: directories, and files about their processes. */
function traces(home: string): string[] {
  return [home, join(home, 'run')].flatMap((directory) =>
    readdirSync(directory).filter((name) => name.startsWith('aks-')),
  )
}

async function killed(t: TestContext, pid: number | null | undefined): Promise<void> {
  assert.ok(typeof pid === 'number')
  t.diagnostic(`kill -9 ${pid}`)
  process.kill(pid, 'SIGKILL')
  await eventually(() => assert.throws(() => process.kill(pid, 0)))
}

async function scaleSetOf({ az }: LabTools): Promise<string> {
  return (await az(`vmss list -g ${nodeGroup} --query`, '[0].name')) as string
}

async function tenantOf({ az }: LabTools): Promise<string> {
  return (await az('account show --query', 'tenantId')) as string
}

async function driverArguments({ kubectl }: LabTools): Promise<string> {
  return kubectl(
    'get',
    'daemonset',
    'aks-secrets-store-csi-driver',
    '-n',
    'kube-system',
    '-o',
    'jsonpath={.spec.template.spec.containers[0].args}',
  )
}

async function daemonSetsOf(kubectl: LabTools['kubectl']): Promise<string[]> {
  return (await kubectl('get', 'daemonsets', '-n', 'kube-system', '-o', 'jsonpath={.items[*].metadata.name}')).split(
    ' ',
  )
}

/** The add-on with the names of the manifests, as versions installed it that did not use those of AKS. */
async function withEarlierNames(kubectl: LabTools['kubectl']): Promise<void> {
  for (const name of addonDaemonSets) {
    const { apiVersion, kind, metadata, spec } = JSON.parse(
      await kubectl('get', 'daemonset', name, '-n', 'kube-system', '-o', 'json'),
    )
    const earlier = {
      'aks-secrets-store-csi-driver': 'csi-secrets-store',
      'aks-secrets-store-provider-azure': 'csi-secrets-store-provider-azure',
    }[name]
    const { namespace, labels } = metadata
    await kubectl('delete', 'daemonset', name, '-n', 'kube-system', '--cascade=foreground')
    await kubectl.apply(JSON.stringify({ apiVersion, kind, metadata: { name: earlier, namespace, labels }, spec }))
  }
  assert.deepEqual(await daemonSetsOf(kubectl), ['csi-secrets-store', 'csi-secrets-store-provider-azure'])
}

/** A vault with a secret, which the identity may read. */
async function shopVault({ az }: LabTools, principalId: string): Promise<void> {
  await az('keyvault create -n shop-vault -g shop -l westeurope --enable-rbac-authorization false')
  await az('keyvault secret set --vault-name shop-vault -n ExampleSecret --value', 'from the vault')
  await az(`keyvault set-policy -n shop-vault --secret-permissions get --object-id ${principalId}`)
}

async function token(imds: string, clientId: string): Promise<{ status: number; body: Record<string, string> }> {
  const query = `api-version=2018-02-01&resource=https://vault.azure.net&client_id=${clientId}`
  const response = await fetch(`${imds}/metadata/identity/oauth2/token?${query}`, { headers: { metadata: 'true' } })
  return { status: response.status, body: (await response.json()) as Record<string, string> }
}
