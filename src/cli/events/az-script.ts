import { commandLine } from '#terminal'
import { azFederation, azRole } from '../azure-code/identity-resources.ts'
import {
  eventGridVersion,
  namespaceId,
  namespaceVersion,
  roles,
  type SetupPlan,
  type TopicDestination,
} from './setup-plan.ts'
import { receivedProperties, toNamespaceTopic, toQueue } from './subscription-properties.ts'

/**
 * The setup as commands of the Azure CLI, for bash. You can run it again; what is already right is kept. The names in it were checked, so
 * that none of them means anything to a shell; resource groups may have parentheses, and are quoted.
 */
export function azScript(plan: SetupPlan): string {
  const { vaults, cluster, destination, probe } = plan
  const words =
    destination.kind === 'queue' ? queueWords(plan, destination.storageAccount) : topicWords(plan, destination)
  return [
    `# Events of ${vaults.length === 1 ? 'the vault' : 'the vaults'} ${vaults.join(', ')} for the cluster ${cluster}, with the Azure CLI. You can run it again; existing objects are kept.`,
    'set -euo pipefail',
    '',
    ...words.create,
    'manager=$(az cloud show --query endpoints.resourceManager --output tsv)',
    ...vaults.flatMap((vault) => ['', ...vaultLines(vault, plan, words)]),
    '',
    ...identityLines(plan, words),
    '',
    ...valuesLines(plan, words),
    ...(probe && destination.kind === 'queue' ? ['', ...probeLines(plan, destination.storageAccount)] : []),
    '',
  ].join('\n')
}

/** What differs between a queue and the topic of a namespace. */
interface DestinationWords {
  /** The lines that create what the vaults deliver to. */
  create: readonly string[]
  /** In comments. */
  what: string
  /** Words of the script: what the identity of a vault's topic, and the operator, have their role on. */
  senderScope: string
  receiverScope: string
  /** Of the event subscriptions of the vaults, with variables of the script. */
  properties: unknown
  apiVersion: string
  /** Of the chart. */
  value: string
}

function queueWords({ resourceGroup, name }: SetupPlan, storageAccount: string): DestinationWords {
  const group = commandLine(resourceGroup)
  return {
    create: [
      '# The queue',
      registerLine,
      `location=$(az group show --name ${group} --query location --output tsv)`,
      `account=$(az storage account create --name ${storageAccount} --resource-group ${group} --location "$location" --sku Standard_LRS --min-tls-version TLS1_2 --query id --output tsv)`,
      `az storage queue create --name ${name} --account-name ${storageAccount} --auth-mode key --output none`,
      `queues=$(az storage account show --name ${storageAccount} --resource-group ${group} --query primaryEndpoints.queue --output tsv)`,
    ],
    what: 'the queue',
    senderScope: '"$account"',
    receiverScope: `"$account/queueServices/default/queues/${name}"`,
    properties: toQueue('$account', name),
    apiVersion: eventGridVersion,
    value: `queue: \${queues}${name}`,
  }
}

/** Azure's CLI has commands for namespaces in an extension only. */
function topicWords({ name }: SetupPlan, destination: TopicDestination): DestinationWords {
  const { topic } = destination
  const version = `--api-version ${namespaceVersion}`
  return {
    create: [
      '# The event subscription that the operator receives from. Namespace and topic have to exist.',
      registerLine,
      `namespace=${commandLine(namespaceId(destination))}`,
      `destination=$(az resource show --ids "$namespace/topics/${topic}" ${version} --query id --output tsv)`,
      `host=$(az resource show --ids "$namespace" ${version} --query properties.topicsConfiguration.hostname --output tsv)`,
      `az resource create --id "$destination/eventSubscriptions/${name}" ${version} --properties ${commandLine(JSON.stringify(receivedProperties))} --output none`,
    ],
    what: 'the topic of the namespace',
    senderScope: '"$destination"',
    receiverScope: `"$destination/eventSubscriptions/${name}"`,
    properties: toNamespaceTopic('$destination'),
    apiVersion: namespaceVersion,
    value: `namespaceTopic: https://$host/topics/${topic}/eventsubscriptions/${name}`,
  }
}

const registerLine = 'az provider register --namespace Microsoft.EventGrid --wait'

function vaultLines(vault: string, { name, destination }: SetupPlan, words: DestinationWords): string[] {
  const topicUrl = `"\${manager%/}$topic?api-version=${eventGridVersion}"`
  const body = JSON.stringify({ properties: words.properties }).replaceAll('"', '\\"')
  return [
    `# Vault ${vault}: its topic (a vault has at most one), and the subscription that writes to ${words.what}`,
    `vault=$(az keyvault show --name ${vault} --query id --output tsv)`,
    `vault_group=$(az keyvault show --name ${vault} --query resourceGroup --output tsv)`,
    `vault_location=$(az keyvault show --name ${vault} --query location --output tsv)`,
    `topic=$(az eventgrid system-topic list --query "[?ends_with(source, '/\${vault##*/}')].id | [0]" --output tsv)`,
    'if [ -z "$topic" ]; then',
    `  topic=$(az eventgrid system-topic create --name keymount-${vault} --resource-group "$vault_group" --location "$vault_location" --topic-type Microsoft.KeyVault.vaults --source "$vault" --identity systemassigned --query id --output tsv)`,
    'fi',
    `sender=$(az rest --method get --url ${topicUrl} --query identity.principalId --output tsv)`,
    'if [ -z "$sender" ]; then',
    ...systemIdentityLines(topicUrl).map((line) => `  ${line}`),
    'fi',
    azRole(`"${roles[destination.kind].sender}"`, { principal: '"$sender"', scope: words.senderScope }),
    `az rest --method put --url "\${manager%/}$topic/eventSubscriptions/${name}?api-version=${words.apiVersion}" --body "${body}" --output none`,
  ]
}

/** Gives the topic a system identity. A patch replaces the whole identity, so user-assigned ones are named in it. */
function systemIdentityLines(topicUrl: string): string[] {
  return [
    `users=$(az rest --method get --url ${topicUrl} --query "identity.userAssignedIdentities && join('\\":{},\\"', keys(identity.userAssignedIdentities))" --output tsv)`,
    'identity="{\\"type\\":\\"SystemAssigned\\"}"',
    'if [ -n "$users" ]; then',
    '  identity="{\\"type\\":\\"SystemAssigned, UserAssigned\\",\\"userAssignedIdentities\\":{\\"$users\\":{}}}"',
    'fi',
    `sender=$(az rest --method patch --url ${topicUrl} --body "{\\"identity\\":$identity}" --query identity.principalId --output tsv)`,
  ]
}

function identityLines(plan: SetupPlan, { what, receiverScope }: DestinationWords): string[] {
  const { identity, issuer, subject, destination } = plan
  const group = commandLine(plan.resourceGroup)
  const where = `--resource-group ${group}`
  return [
    `# The operator: an identity that its service account signs in as, and that may receive from ${what}`,
    `client=$(az identity create --name ${identity} ${where} --query clientId --output tsv)`,
    `operator=$(az identity show --name ${identity} ${where} --query principalId --output tsv)`,
    azFederation({ name: 'keymount-operator', identity, group, issuer, subject }),
    azRole(`"${roles[destination.kind].receiver}"`, { principal: '"$operator"', scope: receiverScope }),
    'tenant=$(az account show --query tenantId --output tsv)',
  ]
}

function valuesLines({ vaults }: SetupPlan, { value }: DestinationWords): string[] {
  return [
    '# Values for the chart',
    'cat <<END',
    'events:',
    '  enabled: true',
    `  ${value}`,
    `  vaults: [${vaults.join(', ')}]`,
    '  clientID: $client',
    '  tenantID: $tenant',
    'END',
  ]
}

function probeLines({ vaults: [vault = ''], cluster, name }: SetupPlan, storageAccount: string): string[] {
  return [
    '# A probe: a new secret, and its event in the queue. It is deleted at the end, also when the script is interrupted; the time in',
    '# its name lets the next probe create another one while the vault keeps the deleted one.',
    `probe=keymount-probe-${cluster}-$(date +%s)`,
    `az keyvault secret set --vault-name ${vault} --name "$probe" --value probe --output none`,
    'delete_probe() {',
    `  if az keyvault secret delete --vault-name ${vault} --name "$probe" --output none; then`,
    `    echo "the secret $probe is deleted; the vault ${vault} keeps it as a deleted secret for its retention period" >&2`,
    '  else',
    `    echo "the secret $probe of the vault ${vault} could not be deleted: delete it" >&2`,
    '  fi',
    '}',
    'trap delete_probe EXIT',
    'for try in $(seq 30); do',
    `  messages=$(az storage message peek --queue-name ${name} --account-name ${storageAccount} --auth-mode key --num-messages 32 --query '[].content' --output tsv | while read -r text; do base64 --decode <<<"$text"; done) || messages=`,
    '  if [[ $messages == *"$probe"* ]]; then',
    '    echo "the event of the probe has arrived" >&2',
    '    exit 0',
    '  fi',
    '  sleep 2',
    'done',
    'echo "no event of the probe within a minute; an operator that runs already may have taken it: keymount events status" >&2',
    'exit 1',
  ]
}
