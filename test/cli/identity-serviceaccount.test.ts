import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { isNotFound, resources } from '#kubernetes/client'
import { defaultApplicationName } from '../../src/cli/identity/names.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import { bySecret, startIdentityLab, unwrapped } from './identity-lab.ts'

const role = 'Key Vault Secrets User'

test('serviceaccount create and delete: an application, phase by phase, and again', async (t) => {
  const lab = await startIdentityLab(t)
  const scope = `/subscriptions/${lab.subscriptionId}/resourceGroups/${lab.resourceGroup}`
  const account = ['--service-account-name', 'orders', '--service-account-issuer-url', lab.issuer]
  const name = defaultApplicationName({ namespace: 'default', name: 'orders' }, lab.issuer)
  const create = (...words: string[]) => lab.identity('serviceaccount', 'create', ...bySecret, ...account, ...words)
  const serviceAccount = () => lab.kube.get(resources.serviceAccounts, { namespace: 'default', name: 'orders' })
  let assignment = ''
  let clientId = ''

  await t.test('azwi: phases Run: app created, SA created with annotations, FIC created, role assigned', async () => {
    const { code, stdout, stderr } = await create('--azure-scope', scope, '--azure-role', role)
    assert.equal(stderr, '')
    assert.equal(code, 0)
    assert.deepEqual(
      stdout.match(/^✓ \S+/gm),
      ['aad-application', 'service-account', 'federated-identity', 'role-assignment'].map((phase) => `✓ ${phase}`),
    )
    assignment = /^\s*(\/subscriptions\/\S+\/roleAssignments\/\S+)$/m.exec(stdout)?.[1] ?? ''
    assert.notEqual(assignment, '')
    const { metadata } = await serviceAccount()
    clientId = metadata.annotations?.['azure.workload.identity/client-id'] ?? ''
    assert.match(clientId, /^[0-9a-f-]{36}$/)
    assert.deepEqual(metadata.annotations, {
      'azure.workload.identity/client-id': clientId,
      'azure.workload.identity/tenant-id': lab.azure.tenantId,
    })
  })

  await t.test(
    'azwi: phases Run: app reused, FIC already exists, role given already; what others have put on the SA stays',
    async () => {
      const metadata = { annotations: { team: 'shop' }, labels: { app: 'orders' } }
      await lab.kube.patch(resources.serviceAccounts, { namespace: 'default', name: 'orders' }, { metadata })
      const { code, stdout } = await create(
        ...['--azure-scope', scope, '--azure-role', role, '--service-account-token-expiration', '2h'],
      )
      assert.equal(code, 0)
      assert.match(unwrapped(stdout), /found application/)
      assert.match(unwrapped(stdout), /updated service account default\/orders/)
      assert.match(unwrapped(stdout), /found federated credential/)
      assert.match(unwrapped(stdout), /is given already/)
      const { annotations, labels } = (await serviceAccount()).metadata
      assert.equal(annotations?.team, 'shop')
      assert.equal(annotations?.['azure.workload.identity/service-account-token-expiration'], '7200')
      assert.deepEqual(labels, { app: 'orders' })
    },
  )

  await t.test('the federated credential is what Entra compares', async () => {
    const { issuer } = lab
    const again = await lab.identity(
      ...['sa', 'create', 'phase', 'fi', ...bySecret, ...account, '--aad-application-client-id', clientId],
    )
    assert.match(unwrapped(again.stdout), /found federated credential \S+ for system:serviceaccount:default:orders/)
    const other = await lab.identity(
      ...['sa', 'create', 'phase', 'federated-identity', ...bySecret, '--aad-application-name', name],
      ...['--service-account-name', 'other', '--service-account-issuer-url', issuer],
    )
    assert.match(unwrapped(other.stdout), /created federated credential \S+ for system:serviceaccount:default:other/)
  })

  await t.test('an unknown role ends its phase with what to do', async () => {
    const { code, stdout, stderr } = await create('--azure-scope', scope, '--azure-role', 'Key Vault Sekrets User')
    assert.equal(code, 1)
    assert.match(stdout, /^✗ role-assignment/m)
    assert.match(stderr, /There is no role called "Key Vault Sekrets User"/)
  })

  await t.test('azwi: phases Run: deletions and their not-found variants', async () => {
    const remove = () =>
      lab.identity('serviceaccount', 'delete', ...bySecret, ...account, '--role-assignment-id', assignment)
    const first = await remove()
    assert.equal(first.code, 0, first.stderr)
    assert.deepEqual(
      first.stdout.match(/^✓ \S+/gm),
      ['role-assignment', 'service-account', 'aad-application'].map((phase) => `✓ ${phase}`),
    )
    await assert.rejects(serviceAccount(), isNotFound)
    const second = await remove()
    assert.equal(second.code, 0, second.stderr)
    assert.equal(unwrapped(second.stdout).match(/nothing to delete/g)?.length, 3)
  })
})

test('serviceaccount create and delete: a managed identity', async (t) => {
  const lab = await startIdentityLab(t)
  const scope = `/subscriptions/${lab.subscriptionId}/resourceGroups/${lab.resourceGroup}`
  const what = [
    ...['--identity-type', 'managed-identity', '--managed-identity-resource-group', lab.resourceGroup],
    ...['--service-account-name', 'orders', '--service-account-issuer-url', lab.issuer],
  ]
  const create = await lab.identity('sa', 'create', ...bySecret, ...what, '--azure-scope', scope, '--azure-role', role)
  assert.equal(create.code, 0, create.stderr)
  assert.match(unwrapped(create.stdout), /created managed identity "default-orders-[0-9a-f]{8}"/)
  const assignment = /(\/subscriptions\/\S+\/roleAssignments\/\S+)/.exec(create.stdout)?.[1] ?? ''

  const again = await lab.identity(
    'sa',
    'create',
    ...bySecret,
    ...what,
    '--skip-phases',
    'role-assignment,service-account',
  )
  assert.equal(again.code, 0, again.stderr)
  assert.match(unwrapped(again.stdout), /found managed identity/)
  assert.match(unwrapped(again.stdout), /found federated credential/)
  assert.doesNotMatch(again.stdout, /role-assignment|service-account\b/)

  const gone = await lab.identity('sa', 'delete', 'phase', 'federated-identity', ...bySecret, ...what)
  assert.match(unwrapped(gone.stdout), /deleted federated credential/)
  const rest = await lab.identity('sa', 'delete', ...bySecret, ...what, '--role-assignment-id', assignment)
  assert.equal(rest.code, 0, rest.stderr)
  assert.match(unwrapped(rest.stdout), /deleted managed identity/)
})

test('client secrets come from the environment or a file, and are never repeated', async (t) => {
  const lab = await startIdentityLab(t)
  const directory = temporaryDirectory(t)
  const file = join(directory, 'secret')
  const what = ['--service-account-name', 'orders', '--service-account-issuer-url', lab.issuer]
  const phase = ['sa', 'create', 'phase', 'app', ...what, '--auth-method', 'client_secret']

  const refused = await lab.identity(...phase, '--client-secret', 'hunter2')
  assert.equal(refused.code, 2)
  assert.match(refused.stderr, /--client-secret is not accepted on the command line/)
  assert.doesNotMatch(refused.stdout + refused.stderr, /hunter2/)

  writeFileSync(file, 'hunter3\n')
  const wrong = await lab.identity(...phase, '--client-secret-file', file)
  assert.equal(wrong.code, 1)
  assert.match(wrong.stderr, /AADSTS7000215/)
  assert.doesNotMatch(wrong.stdout + wrong.stderr, /hunter3/)

  writeFileSync(file, `${lab.env.AZURE_CLIENT_SECRET}\n`)
  const right = await lab.identity(...phase, '--client-secret-file', file)
  assert.equal(right.code, 0, right.stderr)
})
