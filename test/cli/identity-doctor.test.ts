import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { resources } from '#kubernetes/client'
import { managedCredentialName, subjectOf } from '../../src/cli/identity/names.ts'
import { until } from '../support/eventually.ts'
import { bySecret, type IdentityLab, kubeconfigOfAccount, startIdentityLab, unwrapped } from './identity-lab.ts'
import { account, classOf, createMountingPod, name, podOf, podReady, podRef } from './mounted-pod.ts'

const vault = 'doctor-orders'

interface Row {
  check: string
  status: string
  text: string
  fix?: string[]
}

interface Patient extends IdentityLab {
  clientId: string
  /** Runs the doctor with `-o json`. */
  examine(...words: string[]): Promise<{ code: number; rows: Row[]; problems: Row[]; titles: string[] }>
  /** Gives the federated credential another issuer or subject. */
  federate(change: Partial<{ issuer: string; subject: string; audiences: string[] }>): Promise<void>
  setParameters(parameters: Record<string, string>): Promise<void>
}

/** A pod that mounts a secret by workload identity; nothing is wrong with it. */
async function startPatient(t: TestContext): Promise<Patient> {
  const lab = await startIdentityLab(t)
  const { clientId, parameters } = await createMountingPod(lab, vault)
  await podReady(lab)
  return {
    ...lab,
    clientId,
    async examine(...words) {
      const { code, stdout, stderr } = await lab.identity('doctor', name, ...bySecret, '-o', 'json', ...words)
      assert.equal(stderr, '')
      const { sections } = JSON.parse(stdout) as { sections: { title: string; findings: Row[] }[] }
      const rows = sections.flatMap(({ findings }) => findings)
      const titles = sections.filter(({ findings }) => findings.length > 0).map(({ title }) => title)
      return { code, rows, problems: rows.filter(({ status }) => status === 'problem'), titles }
    },
    async federate(change) {
      const credential = managedCredentialName(account, lab.issuer)
      const subject = subjectOf(account)
      await lab.azure.setFederatedCredential(name, { name: credential, issuer: lab.issuer, subject, ...change })
    },
    async setParameters(change) {
      await lab.kube.patch(resources.secretProviderClasses, podRef, {
        spec: { parameters: { ...parameters, ...change } },
      })
    },
  }
}

/** A kubeconfig of a user who may read pods, and nothing else. */
async function limitedKubeconfig(t: TestContext, { kube, env }: IdentityLab): Promise<string> {
  const reader = { namespace: 'default', name: 'reader' }
  const rbac = 'rbac.authorization.k8s.io/v1'
  await kube.create(resources.serviceAccounts, { apiVersion: 'v1', kind: 'ServiceAccount', metadata: reader })
  await kube.create(resources.roles, {
    apiVersion: rbac,
    kind: 'Role',
    metadata: reader,
    rules: [{ apiGroups: [''], resources: ['pods'], verbs: ['get'] }],
  })
  await kube.create(resources.roleBindings, {
    apiVersion: rbac,
    kind: 'RoleBinding',
    metadata: reader,
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'reader' },
    subjects: [{ kind: 'ServiceAccount', ...reader }],
  })
  return kubeconfigOfAccount(t, { kube, env }, reader)
}

test('doctor: a pod that signs in, and what can be wrong with one', async (t) => {
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
    assert.match(
      federation?.fix?.[0] ?? '',
      /^az identity federated-credential update --subscription .*--identity-name orders/,
    )
    assert.ok(federation?.fix?.[0]?.includes(`--issuer ${patient.issuer} `))
    assert.match(signIn?.text ?? '', /AADSTS7002\d+/)
    await patient.federate({})
  })

  await t.test('subject: in other letters it is updated; of another namespace it is not', async () => {
    await patient.federate({ subject: 'system:serviceaccount:default:Orders' })
    const letters = (await patient.examine()).problems
    assert.match(letters[0]?.text ?? '', /upper and lower case matter/)
    assert.match(letters[0]?.fix?.[0] ?? '', /federated-credential update/)
    await patient.federate({ subject: 'system:serviceaccount:shop:orders' })
    const other = (await patient.examine()).problems
    assert.match(
      other[0]?.text ?? '',
      /it trusts system:serviceaccount:shop:orders of this cluster|its one federated credential is not for/,
    )
    assert.doesNotMatch(other[0]?.fix?.[0] ?? '', /federated-credential update/)
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
    assert.match(problems[0]?.text ?? '', /it has no federated credential for system:serviceaccount:default:orders/)
    assert.match(
      problems[0]?.fix?.[0] ?? '',
      /^az identity federated-credential create --subscription .*--identity-name orders/,
    )
    await patient.federate({})
  })

  await t.test('client id: unknown to the tenant', async () => {
    const clientID = '11111111-2222-3333-4444-555555555555'
    await patient.setParameters({ clientID })
    const { rows, problems } = await patient.examine()
    assert.match(
      problems.map(({ text }) => text).join('\n'),
      new RegExp(`has no application and no managed identity with client id ${clientID}`),
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
    const principalId = await patient.principalOf(name)
    const role = { role: 'Key Vault Secrets User', principalId, vault } as const
    await patient.azure.removeRole(role)
    const { code, problems } = await patient.examine()
    assert.equal(code, 1)
    assert.equal(problems.length, 1)
    assert.match(problems[0]?.text ?? '', /may not read secret password from doctor-orders/)
    assert.match(
      problems[0]?.fix?.[0] ?? '',
      /^az role assignment create --role 'Key Vault Secrets User' --assignee-object-id/,
    )
    await patient.azure.assignRole(role)
  })

  await t.test('vault: a name that does not exist, with the one that was meant', async () => {
    await patient.setParameters({ keyvaultName: 'doctor-order' })
    const { code, problems } = await patient.examine()
    assert.equal(code, 1)
    assert.deepEqual(
      problems.map(({ text }) => text),
      ['there is no vault doctor-order (did you mean doctor-orders?): check keyvaultName of the class'],
    )
    await patient.setParameters({})
  })

  await t.test('a pod that needs no identity of its own is not accused of lacking one', async () => {
    const { clientID: _, ...rest } = { clientID: '', keyvaultName: vault, tenantID: patient.azure.tenantId }
    const objects = 'array:\n  - |\n    objectName: password\n    objectType: secret\n'
    const className = 'by-node'
    await patient.kube.create(
      resources.secretProviderClasses,
      classOf({ ...rest, objects, useVMManagedIdentity: 'true' }, className),
    )
    const pod = podOf('by-node', className)
    await patient.kube.create(resources.pods, { ...pod, spec: { ...pod.spec, serviceAccountName: 'default' } })
    const { stdout, code } = await patient.identity('doctor', 'by-node', ...bySecret, '-o', 'json')
    assert.equal(code, 0, stdout)
    assert.equal(JSON.parse(stdout).problems, 0)
    await patient.kube.delete(resources.pods, { namespace: 'default', name: 'by-node' }, { gracePeriodSeconds: 0 })
  })

  await t.test('the last mount error comes first', async () => {
    await patient.setParameters({ keyvaultName: 'no-such-vault-here' })
    await patient.kube.create(resources.pods, podOf('late'))
    const examined = await until('the mount of the pod has failed', async () => {
      const { stdout } = await patient.identity('doctor', 'late', ...bySecret)
      return /^Last error\n {2}· reported /m.test(stdout) ? stdout : undefined
    })
    assert.match(unwrapped(examined), /^Pod default\/late \(Pending\), service account orders Last error · reported/)
    await patient.kube.delete(resources.pods, { namespace: 'default', name: 'late' }, { gracePeriodSeconds: 0 })
    await patient.setParameters({})
  })

  await t.test('for a pod that waits for another reason, the summary leads to its last error', async () => {
    await patient.setParameters({ objects: 'array:\n  - |\n    objectName: lost\n    objectType: secret\n' })
    await patient.kube.create(resources.pods, podOf('waiting'))
    const examined = await until('the mount of the pod has failed', async () => {
      const { stdout } = await patient.identity('doctor', 'waiting', ...bySecret)
      return /vault-object-missing/.test(stdout) ? stdout : undefined
    })
    assert.match(unwrapped(examined), /The identity is right.* What fails is in the last error, above\./)
    await patient.kube.delete(resources.pods, { namespace: 'default', name: 'waiting' }, { gracePeriodSeconds: 0 })
    await patient.setParameters({})
  })

  await t.test('class: what the provider would refuse', async () => {
    await patient.setParameters({ objects: 'array:\n  - |\n    objectName: password\n    objectType: sekret\n' })
    const { problems } = await patient.examine()
    assert.match(problems[0]?.text ?? '', /sekret/)
    await patient.setParameters({})
  })

  await t.test('label: asked for with a value that no webhook accepts', async () => {
    const labels = { 'azure.workload.identity/use': 'yes' }
    await patient.kube.patch(resources.pods, { namespace: 'default', name: 'orders' }, { metadata: { labels } })
    const { problems } = await patient.examine()
    // No webhook is installed, which comes first: a pod that asks for one needs it.
    assert.deepEqual(
      problems.map(({ check }) => check),
      ['webhook', 'label'],
    )
    assert.match(problems[1]?.text ?? '', /is "yes", and must be "true"/)
    const metadata = { labels: { 'azure.workload.identity/use': null } }
    await patient.kube.patch(resources.pods, { namespace: 'default', name: 'orders' }, { metadata })
  })

  await t.test('without rights in Azure it reports what it could not check, and that is not a problem', async () => {
    const { code, rows, problems } = await patient.examine('--no-sign-in', '--client-id', patient.clientId)
    assert.deepEqual(problems, [])
    assert.equal(code, 0)
    const unknown = rows.filter(({ status }) => status === 'unknown').map(({ check }) => check)
    assert.ok(unknown.includes('identity') && unknown.includes('sign-in'))
  })

  await t.test('with the right to read pods only, it reports what it could not check', async () => {
    const kubeconfig = await limitedKubeconfig(t, patient)
    const { code, stdout, stderr } = await patient.identity(
      ...['doctor', 'orders', '-n', 'default', ...bySecret, '-o', 'json', '--kubeconfig', kubeconfig],
    )
    assert.equal(stderr, '')
    assert.equal(code, 0, stdout)
    const { sections, unknowns } = JSON.parse(stdout) as { sections: { findings: Row[] }[]; unknowns: number }
    const unknown = sections.flatMap(({ findings }) => findings).filter(({ status }) => status === 'unknown')
    assert.equal(unknown.length, unknowns)
    assert.deepEqual(new Set(unknown.map(({ check }) => check)), new Set(['service account', 'class']))
    assert.match(unknown.find(({ check }) => check === 'class')?.text ?? '', /could not be checked: .*forbidden/)
  })

  await t.test('reads well in a terminal', async () => {
    await patient.federate({ issuer: `${patient.issuer}/` })
    const { stdout, code } = await patient.identity('doctor', 'orders', ...bySecret)
    assert.equal(code, 1)
    assert.match(stdout, /^Pod default\/orders/)
    const long = stdout.split('\n').filter((line) => [...line].length > 80 && !/→|\S{60}/.test(line))
    assert.deepEqual(long, [])
    assert.match(stdout, /^ {2}✗ federation {2}/m)
    assert.match(stdout, /^ {12,}→ az identity federated-credential update/m)
    assert.match(stdout, /^2 things are wrong/m)
    assert.doesNotMatch(stdout, /hunter2|eyJ/)
    await patient.federate({})
  })

  await t.test('a namespace: which of its pods sign in, and what the cluster shows of them', async () => {
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
    assert.equal(code, 0)
    assert.match(stdout, /^ {2}✓ orders$/m)
    assert.match(stdout, /^ {2}· forgotten: its service account has an identity/m)
    assert.doesNotMatch(stdout, /bystander/)
    const { pods, unlabelled } = JSON.parse((await patient.identity('doctor', '-n', 'default', '-o', 'json')).stdout)
    assert.equal(pods.length, 1)
    assert.deepEqual(unlabelled, ['forgotten'])
    const alone = await patient.identity('doctor', 'forgotten', '-n', 'default', ...bySecret)
    assert.equal(alone.code, 1, 'asked about that pod, what it lacks is a problem')
    assert.match(unwrapped(alone.stdout), /✗ label azure\.workload\.identity\/use is missing/)
  })

  await t.test(
    'a mount by subPath, for the pod and in the list of its namespace: it never sees a rotation',
    async () => {
      const pinned = podOf('pinned')
      pinned.spec.containers[0]?.volumeMounts?.push({ name: 'secrets', mountPath: '/etc/app', subPath: 'password' })
      await patient.kube.create(resources.pods, pinned)
      await podReady(patient, { namespace: 'default', name: 'pinned' })
      const words =
        /subPath\W+\/etc\/app in container main is mounted by subPath: it keeps its content until the container restarts/
      const alone = await patient.identity('doctor', 'pinned', ...bySecret)
      assert.equal(alone.code, 0, 'the pod works')
      assert.match(unwrapped(alone.stdout), words)
      assert.match(unwrapped((await patient.identity('doctor', '-n', 'default')).stdout), words)
      await patient.kube.delete(resources.pods, { namespace: 'default', name: 'pinned' })
    },
  )

  await t.test('a vault that is given by its URL is one problem, of the class', async () => {
    await patient.setParameters({ keyvaultName: `https://${vault}.vault.azure.net/` })
    const { problems, titles } = await patient.examine()
    assert.deepEqual(
      problems.map(({ check }) => check),
      ['class'],
    )
    assert.match(problems[0]?.text ?? '', new RegExp(`expected its name alone: ${vault}`))
    assert.ok(!titles.some((title) => title.startsWith('Vault ')), titles.join(', '))
    await patient.setParameters({ keyvaultName: vault })
  })

  await t.test('a provider whose name is misspelt', async () => {
    const misspelt = classOf({ objects: '' }, 'misspelt')
    await patient.kube.create(resources.secretProviderClasses, {
      ...misspelt,
      spec: { ...misspelt.spec, provider: 'azur' },
    })
    await patient.kube.create(resources.pods, podOf('misspelt', 'misspelt'))
    const { code, stdout } = await patient.identity('doctor', 'misspelt', ...bySecret)
    assert.equal(code, 1)
    assert.match(unwrapped(stdout), /✗ class is of provider "azur" \(did you mean azure\?\)/)
    await patient.kube.delete(resources.pods, { namespace: 'default', name: 'misspelt' })
  })

  await t.test('a pod that does not exist', async () => {
    const { code, stderr } = await patient.identity('doctor', 'order', ...bySecret)
    assert.equal(code, 1)
    assert.match(stderr, /There is no pod "order" in namespace "default"/)
    assert.match(stderr, /did you mean orders\?/)
  })
})
