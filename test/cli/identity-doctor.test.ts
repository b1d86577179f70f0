import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { parse, stringify } from 'yaml'
import { type Pod, resources, type SecretProviderClass } from '#kubernetes/client'
import { managedCredentialName, subjectOf } from '../../src/cli/identity/names.ts'
import { bySecret, type IdentityLab, startIdentityLab } from './identity-lab.ts'

const account = { namespace: 'default', name: 'orders' }
const vault = 'doctor-orders'

interface Row {
  check: string
  status: string
  text: string
  fix?: string[]
}

interface Patient extends IdentityLab {
  clientId: string
  identityName: string
  /** Runs the doctor with `-o json`. */
  examine(...words: string[]): Promise<{ code: number; rows: Row[]; problems: Row[] }>
  /** Gives the federated credential another issuer or subject. */
  federate(change: Partial<{ issuer: string; subject: string; audiences: string[] }>): Promise<void>
  setParameters(parameters: Record<string, string>): Promise<void>
}

/** A pod that mounts a secret by workload identity: all is as it should be. */
async function startPatient(t: TestContext): Promise<Patient> {
  const lab = await startIdentityLab(t)
  await lab.azure.createVault(vault)
  const principalId = await lab.azure.principalId()
  await lab.azure.assignRole({ role: 'Key Vault Secrets Officer', principalId, vault })
  await lab.azure.setSecret(vault, 'password', 'hunter2')
  const vaultId = `/subscriptions/${lab.subscriptionId}/resourceGroups/${lab.resourceGroup}/providers/Microsoft.KeyVault/vaults/${vault}`
  const created = await lab.identity(
    ...['serviceaccount', 'create', ...bySecret, '--identity-type', 'managed-identity'],
    ...['--managed-identity-resource-group', lab.resourceGroup, '--managed-identity-name', 'orders'],
    ...['--service-account-name', account.name, '--service-account-issuer-url', lab.issuer],
    ...['--azure-scope', vaultId, '--azure-role', 'Key Vault Secrets User'],
  )
  assert.equal(created.code, 0, created.stderr)
  const clientId = /client (\S+)/.exec(created.stdout)?.[1] ?? ''
  const parameters = {
    keyvaultName: vault,
    clientID: clientId,
    tenantID: lab.azure.tenantId,
    objects: 'array:\n  - |\n    objectName: password\n    objectType: secret\n',
  }
  const mounted: SecretProviderClass = {
    apiVersion: 'secrets-store.csi.x-k8s.io/v1',
    kind: 'SecretProviderClass',
    metadata: { namespace: account.namespace, name: 'orders' },
    spec: { provider: 'azure', parameters },
  }
  await lab.kube.create(resources.secretProviderClasses, mounted)
  await lab.kube.create(resources.pods, podOf('orders'))
  return {
    ...lab,
    clientId,
    identityName: 'orders',
    async examine(...words) {
      const { code, stdout, stderr } = await lab.identity('doctor', 'orders', ...bySecret, '-o', 'json', ...words)
      assert.equal(stderr, '')
      const { sections } = JSON.parse(stdout) as { sections: { findings: Row[] }[] }
      const rows = sections.flatMap(({ findings }) => findings)
      return { code, rows, problems: rows.filter(({ status }) => status === 'problem') }
    },
    async federate(change) {
      const name = managedCredentialName(account, lab.issuer)
      const subject = subjectOf(account)
      await lab.azure.setFederatedCredential('orders', { name, issuer: lab.issuer, subject, ...change })
    },
    async setParameters(change) {
      const ref = { namespace: account.namespace, name: 'orders' }
      await lab.kube.patch(resources.secretProviderClasses, ref, { spec: { parameters: { ...parameters, ...change } } })
    },
  }
}

function podOf(className: string): Pod {
  const csi = {
    driver: 'secrets-store.csi.k8s.io',
    readOnly: true,
    volumeAttributes: { secretProviderClass: className },
  }
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { namespace: account.namespace, name: 'orders' },
    spec: {
      serviceAccountName: account.name,
      containers: [
        {
          name: 'main',
          image: 'registry.k8s.io/e2e-test-images/busybox:1.29-4',
          command: ['sleep', '3600'],
          volumeMounts: [{ name: 'secrets', mountPath: '/mnt/secrets', readOnly: true }],
        },
      ],
      volumes: [{ name: 'secrets', csi }],
    },
  }
}

/** A kubeconfig of somebody who may read pods, and nothing else. */
async function limitedKubeconfig(t: TestContext, { kube, env }: IdentityLab): Promise<string> {
  const name = { namespace: 'default', name: 'reader' }
  const rbac = 'rbac.authorization.k8s.io/v1'
  await kube.create(resources.serviceAccounts, { apiVersion: 'v1', kind: 'ServiceAccount', metadata: name })
  await kube.create(resources.roles, {
    apiVersion: rbac,
    kind: 'Role',
    metadata: name,
    rules: [{ apiGroups: [''], resources: ['pods'], verbs: ['get'] }],
  })
  await kube.create(resources.roleBindings, {
    apiVersion: rbac,
    kind: 'RoleBinding',
    metadata: name,
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'reader' },
    subjects: [{ kind: 'ServiceAccount', ...name }],
  })
  const { token } = await kube.createToken(name, { audiences: [], expirationSeconds: 600 })
  const config = parse(readFileSync(env.KUBECONFIG ?? '', 'utf8'))
  const directory = mkdtempSync(join(tmpdir(), 'keymount-reader-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  const path = join(directory, 'kubeconfig')
  config.users = config.users.map((user: { name: string }) => ({ name: user.name, user: { token } }))
  writeFileSync(path, stringify(config))
  return path
}

test('doctor: a pod that signs in, and each way not to', async (t) => {
  const patient = await startPatient(t)

  await t.test('finds nothing wrong where nothing is', async () => {
    const { code, rows, problems } = await patient.examine()
    assert.deepEqual(problems, [])
    assert.equal(code, 0)
    const fine = rows.filter(({ status }) => status === 'ok').map(({ check }) => check)
    for (const check of ['mode', 'driver', 'issuer', 'keys', 'tenant', 'identity', 'federation', 'sign-in', 'secrets'])
      assert.ok(fine.includes(check), `${check} in ${fine.join(', ')}`)
  })

  await t.test('issuer: a slash at the end of the federated credential’s', async () => {
    await patient.federate({ issuer: `${patient.issuer}/` })
    const { code, problems } = await patient.examine()
    assert.equal(code, 1)
    const [federation, signIn] = problems
    assert.match(federation?.text ?? '', /there is a slash too many at its end/)
    assert.match(federation?.fix?.[0] ?? '', /^az identity federated-credential update .*--identity-name orders/)
    assert.ok(federation?.fix?.[0]?.includes(`--issuer ${patient.issuer} `))
    assert.match(signIn?.text ?? '', /AADSTS7002\d+/)
    await patient.federate({})
  })

  await t.test('subject: of another namespace, and in other letters', async () => {
    await patient.federate({ subject: 'system:serviceaccount:shop:orders' })
    const other = (await patient.examine()).problems
    assert.match(other[0]?.text ?? '', /its subject is "system:serviceaccount:shop:orders", the token’s is/)
    await patient.federate({ subject: 'system:serviceaccount:default:Orders' })
    const letters = (await patient.examine()).problems
    assert.match(letters[0]?.text ?? '', /upper and lower case count/)
    await patient.federate({})
  })

  await t.test('audience: not the one of Entra', async () => {
    await patient.federate({ audiences: ['api://other'] })
    const { problems } = await patient.examine()
    assert.match(
      problems[0]?.text ?? '',
      /its audience is "api:\/\/other", the token’s is "api:\/\/AzureADTokenExchange"/,
    )
    await patient.federate({})
  })

  await t.test('federated credential: none, with the command that makes it', async () => {
    await patient.identity(
      ...['sa', 'delete', 'phase', 'federated-identity', ...bySecret, '--identity-type', 'managed-identity'],
      ...['--managed-identity-name', 'orders', '--managed-identity-resource-group', patient.resourceGroup],
      ...['--service-account-name', account.name, '--service-account-issuer-url', patient.issuer],
    )
    const { problems } = await patient.examine()
    assert.match(
      problems[0]?.text ?? '',
      /none of its 0 federated credentials is for system:serviceaccount:default:orders/,
    )
    assert.match(problems[0]?.fix?.[0] ?? '', /^az identity federated-credential create --identity-name orders/)
    await patient.federate({})
  })

  await t.test('client id: unknown to the tenant', async () => {
    const clientID = '11111111-2222-3333-4444-555555555555'
    await patient.setParameters({ clientID })
    const { rows, problems } = await patient.examine()
    assert.match(
      problems.map(({ text }) => text).join('\n'),
      new RegExp(`no application and no managed identity with client id ${clientID}`),
    )
    assert.match(
      rows.find(({ check }) => check === 'client')?.text ?? '',
      /the class signs in as 1{8}-\S+, SDKs in the pod as/,
    )
    await patient.setParameters({})
  })

  await t.test('tenant: another one than that of the class', async () => {
    await patient.setParameters({ tenantID: '99999999-2222-3333-4444-555555555555' })
    const { rows, problems } = await patient.examine()
    assert.match(
      rows.find(({ check }) => check === 'tenant')?.text ?? '',
      /is not the tenant that you are signed in to/,
    )
    assert.match(problems.map(({ text }) => text).join('\n'), /AADSTS90002/)
    await patient.setParameters({})
  })

  await t.test('role: none on the vault, with the command that gives it', async () => {
    const principal = { role: 'Key Vault Secrets User', principalId: '', vault } as const
    const { properties } = await patient.azure.resourceManager.get<{ properties: { principalId: string } }>(
      `/subscriptions/${patient.subscriptionId}/resourceGroups/${patient.resourceGroup}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/orders`,
      { apiVersion: '2023-01-31' },
    )
    await patient.azure.removeRole({ ...principal, principalId: properties.principalId })
    const { code, problems } = await patient.examine()
    assert.equal(code, 1)
    assert.equal(problems.length, 1)
    assert.match(problems[0]?.text ?? '', /may not read secret password from doctor-orders/)
    assert.match(
      problems[0]?.fix?.[0] ?? '',
      /^az role assignment create --role 'Key Vault Secrets User' --assignee-object-id/,
    )
    await patient.azure.assignRole({ ...principal, principalId: properties.principalId })
  })

  await t.test('class: what the provider would refuse', async () => {
    await patient.setParameters({ objects: 'array:\n  - |\n    objectName: password\n    objectType: sekret\n' })
    const { problems } = await patient.examine()
    assert.match(problems[0]?.text ?? '', /sekret/)
    await patient.setParameters({})
  })

  await t.test('label: asked for with a value that no webhook takes', async () => {
    const labels = { 'azure.workload.identity/use': 'yes' }
    await patient.kube.patch(resources.pods, { namespace: 'default', name: 'orders' }, { metadata: { labels } })
    const { problems } = await patient.examine()
    assert.equal(problems[0]?.check, 'label')
    assert.match(problems[0]?.text ?? '', /is "yes", and must be "true"/)
    const metadata = { labels: { 'azure.workload.identity/use': null } }
    await patient.kube.patch(resources.pods, { namespace: 'default', name: 'orders' }, { metadata })
  })

  await t.test('without rights in Azure it says what it could not check, and is not ill for that', async () => {
    const { code, rows, problems } = await patient.examine('--no-sign-in', '--client-id', patient.clientId)
    assert.deepEqual(problems, [])
    assert.equal(code, 0)
    const unknown = rows.filter(({ status }) => status === 'unknown').map(({ check }) => check)
    assert.ok(unknown.includes('identity') && unknown.includes('sign-in'))
  })

  await t.test('with the right to read pods only, it tells what it could not check', async () => {
    const kubeconfig = await limitedKubeconfig(t, patient)
    const { code, stdout, stderr } = await patient.identity(
      ...['doctor', 'orders', '-n', 'default', ...bySecret, '-o', 'json', '--kubeconfig', kubeconfig],
    )
    assert.equal(stderr, '')
    assert.equal(code, 0, stdout)
    const { sections, unknowns } = JSON.parse(stdout) as { sections: { findings: Row[] }[]; unknowns: number }
    const unknown = sections.flatMap(({ findings }) => findings).filter(({ status }) => status === 'unknown')
    assert.equal(unknown.length, unknowns)
    assert.deepEqual(
      new Set(unknown.map(({ check }) => check)),
      new Set(['label', 'webhook', 'service account', 'class']),
    )
    assert.match(unknown.find(({ check }) => check === 'class')?.text ?? '', /could not be checked: .*forbidden/)
  })

  await t.test('reads well in a terminal', async () => {
    await patient.federate({ issuer: `${patient.issuer}/` })
    const { stdout, code } = await patient.identity('doctor', 'orders', ...bySecret)
    assert.equal(code, 1)
    if (process.env.SHOW !== undefined) process.stderr.write(stdout)
    assert.match(stdout, /^Pod default\/orders/)
    assert.match(stdout, /^ {2}✗ federation {2}/m)
    assert.match(stdout, /^ {12,}→ az identity federated-credential update/m)
    assert.match(stdout, /^2 things are wrong/m)
    assert.doesNotMatch(stdout, /hunter2|eyJ/)
    await patient.federate({})
  })

  await t.test('a namespace: which of its pods should sign in, and what the cluster shows of them', async () => {
    const containers = [{ name: 'main', image: 'registry.k8s.io/e2e-test-images/busybox:1.29-4' }]
    const spec = { serviceAccountName: account.name, containers }
    const metadata = { namespace: 'default', name: 'forgotten' }
    await patient.kube.create(resources.pods, { apiVersion: 'v1', kind: 'Pod', metadata, spec })
    const bystander = { namespace: 'default', name: 'bystander' }
    await patient.kube.create(resources.pods, {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: bystander,
      spec: { containers },
    })
    const { code, stdout } = await patient.identity('doctor', '-n', 'default')
    assert.equal(code, 1)
    assert.match(stdout, /^ {2}✓ orders$/m)
    assert.match(stdout, /^ {2}✗ forgotten\n {6}label: azure\.workload\.identity\/use is missing/m)
    assert.doesNotMatch(stdout, /bystander/)
    const { pods } = JSON.parse((await patient.identity('doctor', '-n', 'default', '-o', 'json')).stdout)
    assert.equal(pods.length, 2)
  })

  await t.test('a pod that is not there', async () => {
    const { code, stderr } = await patient.identity('doctor', 'typo', ...bySecret)
    assert.equal(code, 1)
    assert.match(stderr, /There is no pod "typo" in namespace "default"/)
  })
})
