import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
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

const namespace =
  '/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/identity/providers/Microsoft.EventGrid/namespaces/shop-ns'
const topicId = `${namespace}/topics/changes`
const toTopic = [...required, ...issuer, '--namespace-topic', topicId]
const types = [
  'Microsoft.KeyVault.SecretNewVersionCreated',
  'Microsoft.KeyVault.KeyNewVersionCreated',
  'Microsoft.KeyVault.CertificateNewVersionCreated',
  'Microsoft.KeyVault.VaultAccessPolicyChanged',
]
/** Of the subscription of the namespace's topic, and of those of the vaults. */
const received = {
  deliveryConfiguration: { deliveryMode: 'Queue', queue: { maxDeliveryCount: 10, eventTimeToLive: 'P1D' } },
  eventDeliverySchema: 'CloudEventSchemaV1_0',
  filtersConfiguration: { includedEventTypes: types },
}
const delivered = (resourceId: string) => ({
  deliveryWithResourceIdentity: {
    identity: { type: 'SystemAssigned' },
    destination: { endpointType: 'NamespaceTopic', properties: { resourceId } },
  },
  filter: { includedEventTypes: types },
  eventDeliverySchema: 'CloudEventSchemaV1_0',
})

const reference = (text: string) => `\${${text}}`

async function printSetup(...words: string[]): Promise<string> {
  const { code, stdout, stderr } = await runCli(['events', 'setup', ...words])
  assert.equal(code, 0, stderr)
  return stdout
}

test('with --namespace-topic the commands subscribe the vaults to the topic of the namespace, and the cluster to that', async () => {
  const script = await printSetup(...toTopic)
  execFileSync('bash', ['-n', '-c', script])
  const properties =
    /az resource create --id "\$destination\/eventSubscriptions\/keymount-prod" .* --properties '(.*)' /
  assert.deepEqual(JSON.parse(properties.exec(script)?.[1] ?? ''), received)
  const bodies = [
    ...script.matchAll(/\$topic\/eventSubscriptions\/keymount-prod\?api-version=2025-02-15" --body "(.*)" --output/g),
  ]
  assert.deepEqual(
    bodies.map(([, body = '']) => JSON.parse(body.replaceAll('\\"', '"'))),
    ['shop-events', 'bank-events'].map(() => ({ properties: delivered('$destination') })),
  )
  assert.match(script, /--role "EventGrid Data Sender" --assignee-object-id "\$sender" .* --scope "\$destination" /)
  assert.match(
    script,
    /--role "EventGrid Data Receiver" --assignee-object-id "\$operator" .* --scope "\$destination\/eventSubscriptions\/keymount-prod" /,
  )
  assert.match(script, /\n {2}namespaceTopic: https:\/\/\$host\/topics\/changes\/eventsubscriptions\/keymount-prod\n/)
  assert.doesNotMatch(script, /az storage|queue:/)
})

test('with --namespace-topic the template has the existing namespace and topic, and no storage account', async () => {
  const template = await printSetup(...toTopic, '--format', 'bicep')
  const { resource_declaration: resources, output_declaration: outputs } = await parseBicep('events.bicep', template)
  assert.deepEqual(resources, [
    ...['eventNamespace', 'namespaceTopic', 'received', 'vault', 'topic', 'sender', 'subscription'],
    ...['operator', 'federation', 'receiver'],
  ])
  assert.deepEqual(outputs, ['namespaceTopic', 'clientID', 'tenantID'])
  for (const text of [
    '--subscription 11111111-2222-3333-4444-555555555555 --resource-group identity',
    "resource eventNamespace 'Microsoft.EventGrid/namespaces@2025-02-15' existing = {\n  name: 'shop-ns'\n}",
    "resource namespaceTopic 'Microsoft.EventGrid/namespaces/topics@2025-02-15' existing = {\n  parent: eventNamespace\n  name: 'changes'\n}",
    "resource received 'Microsoft.EventGrid/namespaces/topics/eventSubscriptions@2025-02-15' = {\n  parent: namespaceTopic\n  name: 'keymount-prod'\n",
    "endpointType: 'NamespaceTopic'\n        properties: {\n          resourceId: namespaceTopic.id\n",
    "scope: namespaceTopic\n  properties: {\n    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', 'd5a91429-5739-47e2-a06b-3470a27159e7')",
    "scope: received\n  properties: {\n    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', '78cbd9e7-9798-4e2e-9b5a-547d9ebb31fb')",
  ])
    assert.ok(template.includes(text), text)
})

test('with --namespace-topic the configuration uses azapi for the subscriptions, which azurerm has no resources for', async () => {
  const configuration = await parseTerraform('events.tf', await printSetup(...toTopic, '--format', 'terraform'))
  checkAzurerm(configuration)
  const resource = configuration.resource as Record<string, Record<string, Record<string, unknown>[]>>
  assert.deepEqual(Object.keys(resource).toSorted(), [
    'azapi_resource',
    'azurerm_eventgrid_system_topic',
    'azurerm_federated_identity_credential',
    'azurerm_role_assignment',
    'azurerm_user_assigned_identity',
  ])
  assert.deepEqual(resource.azapi_resource, {
    received: [
      {
        type: 'Microsoft.EventGrid/namespaces/topics/eventSubscriptions@2025-02-15',
        name: 'keymount-prod',
        parent_id: topicId,
        body: { properties: received },
      },
    ],
    vault: [
      {
        for_each: reference('local.vaults'),
        type: 'Microsoft.EventGrid/systemTopics/eventSubscriptions@2025-02-15',
        name: 'keymount-prod',
        parent_id: reference('azurerm_eventgrid_system_topic.vault[each.key].id'),
        body: { properties: delivered(topicId) },
        depends_on: [reference('azurerm_role_assignment.sender')],
      },
    ],
  })
  const roles = Object.entries(resource.azurerm_role_assignment ?? {}).map(([label, [role]]) => [
    label,
    role?.role_definition_name,
    role?.scope,
  ])
  assert.deepEqual(roles, [
    ['receiver', 'EventGrid Data Receiver', reference('azapi_resource.received.id')],
    ['sender', 'EventGrid Data Sender', topicId],
  ])
})

test('events setup names each option that cannot be used with --namespace-topic', async () => {
  const wrong = (...words: string[]) => runCli(['events', 'setup', ...issuer, ...words])
  for (const id of [
    namespace,
    `${topicId}/eventSubscriptions/x`,
    'changes',
    `${topicId};rm`,
    topicId.replace('EventGrid', 'EventHub'),
  ]) {
    const { code, stdout, stderr } = await wrong(...required, '--namespace-topic', id)
    assert.deepEqual([code, stdout], [2, ''], id)
    assert.match(
      stderr,
      /--namespace-topic: found ".*", expected \/subscriptions\/ID\/resourceGroups\/GROUP\/providers\/Microsoft.EventGrid\/namespaces\/NAME\/topics\/TOPIC\n/,
    )
  }
  const cluster = 'c'.repeat(42)
  const options = [
    '--vault',
    'shop',
    '--cluster',
    cluster,
    '--resource-group',
    'g',
    '--storage-account',
    'shop',
    '--probe',
  ]
  const all = await wrong(...options, '--namespace-topic', topicId)
  assert.equal(all.code, 2)
  for (const text of [
    '--storage-account: cannot be used with --namespace-topic',
    '--probe: cannot be used with --namespace-topic',
    '--cluster: found 42 characters, expected at most 41\n',
  ])
    assert.ok(all.stderr.includes(text), all.stderr)
  const elsewhere = topicId.replace('/identity/', '/of-another/')
  const bicep = await wrong(...required, '--namespace-topic', elsewhere, '--format', 'bicep')
  assert.deepEqual([bicep.code, bicep.stdout], [2, ''])
  assert.match(bicep.stderr, /is in the resource group of-another, and --resource-group is identity\n/)
  assert.match(bicep.stderr, /Use --format az or --format terraform/)
})

test('events setup refuses a cluster whose queue would have more than 63 characters', async () => {
  const named = (cluster: string) =>
    runCli(['events', 'setup', '--vault', 'shop', '--cluster', cluster, '--resource-group', 'g', ...issuer])
  assert.equal((await named(`${'c-'.repeat(26)}cc`)).code, 0)
  const { code, stderr } = await named(`${'c-'.repeat(27)}c`)
  assert.equal(code, 2)
  assert.ok(stderr.includes('--cluster: found 55 characters, expected at most 54\n'), stderr)
})

test('a resource group with parentheses means nothing to the shell that runs the commands', async () => {
  const group = 'shop(prod)'
  const options = ['--vault', 'shop', '--cluster', 'prod', '--resource-group', group, ...issuer]
  const toGroup = ['--namespace-topic', topicId.replace('/identity/', `/${group}/`)]
  for (const script of [await printSetup(...options), await printSetup(...options, ...toGroup)]) {
    execFileSync('bash', ['-n', '-c', script])
    assert.ok(script.includes("--resource-group 'shop(prod)'"))
  }
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

test('the commands for a namespace run on the lab as they are, twice, and then a secret becomes an event of the topic', {
  skip,
}, async (t) => {
  const lab = await startLabWithAz(t)
  const group = `/subscriptions/${lab.subscriptionId}/resourceGroups/${lab.resourceGroup}`
  const [namespaceOf, topicOf] = [`${group}/providers/Microsoft.EventGrid/namespaces/shop-ns`, '/topics/changes']
  const made = await lab.shell(
    `set -e
    az keyvault create -n shop-events -g ${lab.resourceGroup} -l westeurope --enable-rbac-authorization false --output none
    az provider register --namespace Microsoft.EventGrid --wait
    az resource create --resource-type Microsoft.EventGrid/namespaces -n shop-ns -g ${lab.resourceGroup} -l westeurope --properties '{}' --output none
    az resource create --id ${namespaceOf}${topicOf} --api-version 2025-02-15 --properties '{"eventRetentionInDays":1}' --output none`,
  )
  assert.equal(made.code, 0, made.output)
  const options = ['--vault', 'shop-events', '--cluster', 'prod', '--resource-group', 'identity', '--namespace-topic']

  const missing = await lab.keymount('events', 'setup', ...options, `${namespaceOf}/topics/missing`, '--apply')
  assert.notEqual(missing.code, 0)
  assert.match(missing.stderr, /ResourceNotFound/)
  const untouched = await lab.shell('az eventgrid system-topic list --query "length(@)" --output tsv')
  assert.equal(untouched.output.trim(), '0')

  const url = 'https://shop-ns.westeurope-1.eventgrid.azure.net/topics/changes/eventsubscriptions/keymount-prod'
  const lines = `\nevents:\n  enabled: true\n  namespaceTopic: ${url}\n  vaults: [shop-events]\n  clientID: `
  const { stdout, code, stderr } = await lab.keymount('events', 'setup', ...options, `${namespaceOf}${topicOf}`)
  assert.equal(code, 0, stderr)
  const file = join(temporaryDirectory(t), 'setup.sh')
  writeFileSync(file, stdout)
  const printed = await lab.shell(`bash ${file}`)
  assert.equal(printed.code, 0, printed.output)
  assert.ok(`\n${printed.output}`.includes(lines), printed.output)
  const applied = await lab.keymount('events', 'setup', ...options, `${namespaceOf}${topicOf}`, '--apply')
  assert.equal(applied.code, 0, applied.stderr)
  assert.ok(`\n${applied.stdout}`.includes(lines), applied.stdout)

  const scopes = await lab.shell(
    `az role assignment list --all --query "[?starts_with(roleDefinitionName, 'EventGrid')].[roleDefinitionName, scope]" --output tsv`,
  )
  assert.deepEqual(scopes.output.trim().split('\n').toSorted(), [
    `EventGrid Data Receiver\t${namespaceOf}${topicOf}/eventSubscriptions/keymount-prod`,
    `EventGrid Data Sender\t${namespaceOf}${topicOf}`,
  ])
  const event = await lab.shell(
    `set -e
    az role assignment create --role "EventGrid Data Receiver" --assignee "$(az account show --query user.name --output tsv)" --scope ${namespaceOf} --output none
    az keyvault secret set --vault-name shop-events -n db --value x --output none
    az rest --method post --resource https://eventgrid.azure.net --url '${url}:receive?api-version=2024-06-01&maxWaitTime=60' --query 'value[].event.[type, subject]' --output tsv`,
  )
  assert.equal(event.output.trim(), 'Microsoft.KeyVault.SecretNewVersionCreated\tdb')
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
