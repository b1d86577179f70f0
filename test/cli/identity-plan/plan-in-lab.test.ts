import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { resources } from '#kubernetes/client'
import { eventually } from '../../support/eventually.ts'
import { temporaryDirectory } from '../../support/temporary-directory.ts'
import { labWithAzSkip as skip, startLabWithAz } from '../lab-with-az.ts'
import { fleetManifests } from './fleets.ts'
import { createVaultWithSecret, kubectlOf, planOfCluster } from './plan-lab.ts'

test('the printed commands of az make every pod of a fleet start, whether its identity gets credentials or is split, and then there is nothing to do', {
  skip,
}, async (t) => {
  const lab = await startLabWithAz(t)
  const { azure, kube, issuer } = lab
  const { tenantId } = azure
  const directory = temporaryDirectory(t)
  const fleets = [
    { name: 'shop', accounts: 15, namespaces: ['shop'], flags: [] },
    // The class of a namespace is shared by accounts of several parts.
    { name: 'bank', accounts: 5, namespaces: ['bank', 'blog'], flags: ['--max-fics', '2'] },
    // An application instead of a managed identity, and a vault with access policies instead of roles.
    { name: 'apps', accounts: 1, namespaces: ['apps'], flags: [] },
  ]
  for (const name of ['shop', 'bank']) await createVaultWithSecret(azure, `plan-${name}`)
  const policies = await lab.shell(
    `az keyvault create -n plan-apps -g ${lab.resourceGroup} -l westeurope --enable-rbac-authorization false --output none && az keyvault secret set --vault-name plan-apps -n db --value one --output none`,
  )
  assert.equal(policies.code, 0, policies.output)
  const kubectl = kubectlOf(lab.administrator)
  const made = await Promise.all(
    fleets.map(({ name }) =>
      name === 'apps' ? azure.createApplication(`app-${name}`) : azure.createIdentity(`app-${name}`),
    ),
  )
  const namespaces = fleets.flatMap((fleet) => fleet.namespaces)
  for (const name of namespaces)
    await kube.create(resources.namespaces, { apiVersion: 'v1', kind: 'Namespace', metadata: { name } })
  for (const [index, { name, accounts, namespaces: of }] of fleets.entries()) {
    const { clientId = '' } = made[index] ?? {}
    writeFileSync(
      join(directory, `${name}.yaml`),
      fleetManifests({ clientId, tenantId, vault: `plan-${name}`, accounts, namespaces: of }),
    )
    await kubectl('apply', '-f', join(directory, `${name}.yaml`))
  }
  const running = async () => {
    const { items } = await kube.list(resources.pods)
    const ours = items.filter(({ metadata }) => namespaces.includes(metadata.namespace ?? ''))
    return ours.filter(({ status }) => status?.phase === 'Running').length
  }
  assert.equal(await running(), 0)

  for (const { name, flags } of fleets) {
    const words = [join(directory, `${name}.yaml`), '--issuer', issuer, '--format', 'az', ...flags]
    const printed = await lab.identity('plan', ...words)
    assert.equal(printed.code, 0, printed.stderr)
    const script = join(directory, `${name}.sh`)
    writeFileSync(script, printed.stdout)
    // It may run again: the first time it is interrupted after the first credential, as by a network that fails.
    const interrupted = await lab.shell(`bash -c "$(sed 's/^vault .*/exit 9/' ${script})"`)
    assert.equal(interrupted.code, 9, interrupted.output)
    const { code, output } = await lab.shell(`bash ${script}`)
    assert.equal(code, 0, output)
  }
  await eventually(async () => assert.equal(await running(), 21), 180_000)

  const shop = [join(directory, 'shop.yaml'), '--issuer', issuer, '--azure', '--auth-method', 'client_secret']
  const again = await lab.administrator.identity('plan', ...shop)
  assert.equal(again.code, 0, again.stderr)
  assert.match(again.stdout, /^nothing to do$/m)
  assert.doesNotMatch(again.stdout, /^ {2}\+/m)
  const inCluster = await planOfCluster(lab.administrator, '--format', 'json', '--max-fics', '15')
  const { identities, done, problems } = JSON.parse(inCluster.stdout) as {
    identities: { way: string; subjects: unknown[] }[]
    done: boolean
    problems: string[]
  }
  assert.deepEqual(problems, [])
  assert.equal(done, true, inCluster.stdout)
  // The application; and the split, which has become three identities, which the accounts name.
  assert.deepEqual(identities.map(({ way, subjects }) => [way, subjects.length]).toSorted(), [
    ['credentials', 1],
    ['credentials', 1],
    ['credentials', 15],
    ['credentials', 2],
    ['credentials', 2],
  ])
})
