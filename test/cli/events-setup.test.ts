import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { checkAzurerm } from '../support/azurerm.ts'
import { parseBicep, parseTerraform } from '../support/grammars.ts'
import { runCli } from '../support/run-cli.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import { labWithAzSkip as skip, startLabWithAz } from './lab-with-az.ts'

const required = ['--vault', 'shop-events,bank-events', '--cluster', 'prod', '--resource-group', 'identity']
const issuer = ['--issuer', 'https://issuer.example/prod']

test('events setup prints commands, a template or a configuration with the same names', async () => {
  for (const format of ['az', 'bicep', 'terraform']) {
    const { code, stdout, stderr } = await runCli(['events', 'setup', ...required, ...issuer, '--format', format])
    assert.equal(code, 0, stderr)
    for (const name of [
      'keymount-prod',
      'keymount-operator-prod',
      'shop-events',
      'bank-events',
      'https://issuer.example/prod',
    ])
      assert.ok(stdout.includes(name), `${format} without ${name}`)
    for (const text of [
      'SecretNewVersionCreated',
      'VaultAccessPolicyChanged',
      'kube-system:keymount-operator',
      '86400',
    ])
      assert.ok(stdout.includes(text), `${format} without ${text}`)
  }
})

test('the template of events setup is Bicep by its grammar for tree-sitter, and the configuration Terraform by HashiCorp’s parser, with arguments that azurerm knows', async () => {
  const print = async (format: string) =>
    (await runCli(['events', 'setup', ...required, ...issuer, '--format', format])).stdout
  const declared = Object.values(await parseBicep('events.bicep', await print('bicep'))).flat()
  for (const name of ['queue', 'topic', 'subscription', 'sender', 'operator', 'federation', 'processor'])
    assert.ok(declared.includes(name), `${name} in ${declared.join(', ')}`)
  const configuration = await parseTerraform('events.tf', await print('terraform'))
  checkAzurerm(configuration)
  const { resource } = configuration
  assert.deepEqual(Object.keys(resource as object).toSorted(), [
    'azurerm_eventgrid_system_topic',
    'azurerm_eventgrid_system_topic_event_subscription',
    'azurerm_federated_identity_credential',
    'azurerm_role_assignment',
    'azurerm_storage_account',
    'azurerm_storage_queue',
    'azurerm_user_assigned_identity',
  ])
})

test('the help of events setup marks the options that it needs, and all that are missing are reported together', async () => {
  const help = await runCli(['events', 'setup', '--help'])
  for (const option of ['vault', 'cluster', 'resource-group'])
    assert.match(help.stdout, new RegExp(`  --${option} <name> [^(]*\\(required\\)`))
  assert.equal(help.stdout.split('(required)').length, 4)
  const { code, stderr } = await runCli(['events', 'setup', '--vault', ''])
  assert.equal(code, 2)
  assert.match(
    stderr,
    /required options '--vault <name>', '--cluster <name>', '--resource-group <name>' not specified\n/,
  )
  const one = await runCli(['events', 'setup', '--vault', 'shop', '--cluster', 'prod'])
  assert.match(one.stderr, /required option '--resource-group <name>' not specified\n/)
})

test('docs/events.md describes the options that change something in Azure', async () => {
  const page = readFileSync(join(import.meta.dirname, '../../docs/events.md'), 'utf8')
  for (const option of ['--apply', '--probe']) assert.ok(page.includes(`- \`${option}\` `), option)
})

test('the operator may take messages from its queue, and not from others of the storage account', async () => {
  const scopes = {
    az: /"Storage Queue Data Message Processor" .* --scope "\$account\/queueServices\/default\/queues\/keymount-prod"/,
    bicep: /resource processor [^{]*{\n.*\n {2}scope: queue\n/,
    terraform:
      /"processor" {\n {2}scope += format\("%s\/queueServices\/default\/queues\/%s", azurerm_storage_account.events.id, azurerm_storage_queue.events.name\)/,
  }
  for (const [format, scope] of Object.entries(scopes))
    assert.match((await runCli(['events', 'setup', ...required, ...issuer, '--format', format])).stdout, scope)
})

test('events setup names each option that Azure would not take', async () => {
  const options = ['--vault', 'a;rm', '--cluster', 'Prod', '--resource-group', 'g', '--storage-account', 'A-b']
  const { code, stderr, stdout } = await runCli(['events', 'setup', ...options, ...issuer])
  assert.deepEqual([code, stdout], [2, ''])
  for (const option of ['--vault', '--cluster', '--storage-account'])
    assert.ok(stderr.includes(`${option}: found`), stderr)
  const both = await runCli(['events', 'setup', ...required, ...issuer, '--apply', '--format', 'bicep'])
  assert.equal(both.code, 2)
  assert.match(both.stderr, /--apply and --format bicep cannot be used together/)
})

test('the printed commands run on the lab as they are, twice, and then a secret becomes a message', {
  skip,
}, async (t) => {
  const lab = await startLabWithAz(t)
  for (const vault of ['shop-events', 'bank-events']) {
    const created = await lab.shell(
      `az keyvault create -n ${vault} -g ${lab.resourceGroup} -l westeurope --enable-rbac-authorization false --output none`,
    )
    assert.equal(created.code, 0, created.output)
  }
  const user = await topicWithUserIdentity(lab, 'bank-events')
  const { stdout, code, stderr } = await lab.keymount('events', 'setup', ...required)
  assert.equal(code, 0, stderr)
  assert.ok(stdout.includes(lab.issuer))
  const file = join(temporaryDirectory(t), 'setup.sh')
  writeFileSync(file, stdout)
  for (let times = 0; times < 2; times++) {
    const { code, output } = await lab.shell(`bash ${file}`)
    assert.equal(code, 0, output)
    assert.match(
      output,
      /queue: https:\/\/keymountprod[0-9a-f]{8}\.queue\.core\.windows\.net\/keymount-prod\n {2}vaults: \[shop-events, bank-events\]\n {2}clientID: [0-9a-f-]{36}\n/,
    )
  }
  const topic = await lab.shell(`az rest --method get --url ${user.topicUrl} --query identity.type --output tsv`)
  assert.equal(topic.output.trim(), 'SystemAssigned, UserAssigned')
  const kept = await lab.shell(
    `az rest --method get --url ${user.topicUrl} --query "keys(identity.userAssignedIdentities)" --output tsv`,
  )
  assert.deepEqual(kept.output.trim().split('\n').toSorted(), user.identities)
  const scopes = await lab.shell(
    `az role assignment list --all --query "[?roleDefinitionName=='Storage Queue Data Message Processor'].scope" --output tsv`,
  )
  assert.match(scopes.output, /^\S+\/keymountprod[0-9a-f]{8}\/queueServices\/default\/queues\/keymount-prod\n$/)
  const account = /--account-name (\w+)/.exec(stdout)?.[1]
  const set = await lab.shell('az keyvault secret set --vault-name bank-events -n db --value x --output none')
  assert.equal(set.code, 0, set.output)
  const peek = `az storage message peek -q keymount-prod --account-name ${account} --auth-mode key --query '[].content' -o tsv`
  const found = await lab.shell(
    `for i in 1 2 3 4 5; do text=$(${peek}); [ -n "$text" ] && break; sleep 1; done; echo "$text"`,
  )
  assert.match(
    Buffer.from(found.output.trim(), 'base64').toString('utf8'),
    /bank-events\.vault\.azure\.net\/secrets\/db/,
  )

  const applied = await lab.keymount('events', 'setup', ...required, '--apply', '--probe')
  assert.equal(applied.code, 0, applied.stdout + applied.stderr)
  assert.match(applied.stderr, /the event of the probe has arrived/)
  assert.match(applied.stderr, /the secret keymount-probe-prod-\d+ is deleted/)
  const left = await lab.shell(`az keyvault secret list --vault-name shop-events --query '[].name' --output tsv`)
  assert.deepEqual([left.code, left.output], [0, ''])

  const status = await lab.keymount('events', 'status')
  assert.equal(status.code, 1)
  assert.match(status.stdout, /no operator runs: set events.enabled of the chart/)
})

/** A system topic of the vault that has only user-assigned identities, as another owner of the vault may have made it. */
async function topicWithUserIdentity(lab: Awaited<ReturnType<typeof startLabWithAz>>, vault: string) {
  const group = lab.resourceGroup
  const made = await lab.shell(
    `set -e
    az provider register --namespace Microsoft.EventGrid --wait
    az identity create -n topic-one -g ${group} -l westeurope --query id -o tsv
    az identity create -n topic-two -g ${group} -l westeurope --query id -o tsv
    az keyvault show -n ${vault} --query id -o tsv`,
  )
  assert.equal(made.code, 0, made.output)
  const [one = '', two = '', source = ''] = made.output.trim().split('\n')
  const topicUrl = `https://management.azure.com${source.split('/providers/')[0]}/providers/Microsoft.EventGrid/systemTopics/of-another?api-version=2022-06-15`
  const body = JSON.stringify({
    location: 'westeurope',
    identity: { type: 'UserAssigned', userAssignedIdentities: { [one]: {}, [two]: {} } },
    properties: { source, topicType: 'Microsoft.KeyVault.vaults' },
  })
  const { code, output } = await lab.shell(`az rest --method put --url '${topicUrl}' --body '${body}' --output none`)
  assert.equal(code, 0, output)
  return { topicUrl: `'${topicUrl}'`, identities: [one, two].toSorted() }
}
