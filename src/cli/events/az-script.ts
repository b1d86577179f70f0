import { eventTypes } from '#product/operator'
import { azFederation, azRole } from '../azure-code/identity-resources.ts'
import { eventGridVersion, messageSeconds, processorRole, type SetupPlan, senderRole } from './setup-plan.ts'

/**
 * The setup as commands of the Azure CLI, for bash. It may run again: what is right already stays. The names in it were checked, so
 * that none of them means anything to a shell.
 */
export function azScript(plan: SetupPlan): string {
  const { vaults, cluster, probe } = plan
  return [
    `# Events of ${vaults.length === 1 ? 'the vault' : 'the vaults'} ${vaults.join(', ')} for the cluster ${cluster}, with the Azure CLI. It may run again.`,
    'set -euo pipefail',
    '',
    ...queueLines(plan),
    ...vaults.flatMap((vault) => ['', ...vaultLines(vault, plan)]),
    '',
    ...identityLines(plan),
    '',
    ...valuesLines(plan),
    ...(probe ? ['', ...probeLines(plan)] : []),
    '',
  ].join('\n')
}

function queueLines({ resourceGroup, storageAccount, queue }: SetupPlan): string[] {
  return [
    '# The queue',
    'az provider register --namespace Microsoft.EventGrid --wait',
    `location=$(az group show --name ${resourceGroup} --query location --output tsv)`,
    `account=$(az storage account create --name ${storageAccount} --resource-group ${resourceGroup} --location "$location" --sku Standard_LRS --min-tls-version TLS1_2 --query id --output tsv)`,
    `az storage queue create --name ${queue} --account-name ${storageAccount} --auth-mode key --output none`,
    `queues=$(az storage account show --name ${storageAccount} --resource-group ${resourceGroup} --query primaryEndpoints.queue --output tsv)`,
    'manager=$(az cloud show --query endpoints.resourceManager --output tsv)',
  ]
}

function vaultLines(vault: string, { queue }: SetupPlan): string[] {
  const topicUrl = `"\${manager%/}$topic?api-version=${eventGridVersion}"`
  const body = JSON.stringify(subscriptionBody('ACCOUNT', queue)).replaceAll('"', '\\"').replace('ACCOUNT', '$account')
  return [
    `# Vault ${vault}: its topic (a vault has at most one), and the subscription that writes to the queue`,
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
    azRole(`"${senderRole}"`, { principal: '"$sender"', scope: '"$account"' }),
    `az rest --method put --url "\${manager%/}$topic/eventSubscriptions/${queue}?api-version=${eventGridVersion}" --body "${body}" --output none`,
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

/** A subscription that delivers with the identity of its topic. */
export function subscriptionBody(resourceId: string, queueName: string) {
  return {
    properties: {
      deliveryWithResourceIdentity: {
        identity: { type: 'SystemAssigned' },
        destination: {
          endpointType: 'StorageQueue',
          properties: { resourceId, queueName, queueMessageTimeToLiveInSeconds: messageSeconds },
        },
      },
      filter: { includedEventTypes: eventTypes },
      eventDeliverySchema: 'EventGridSchema',
    },
  }
}

function identityLines({ identity, resourceGroup, queue, issuer, subject }: SetupPlan): string[] {
  const where = `--resource-group ${resourceGroup}`
  return [
    '# The operator: an identity that its service account signs in as, and that may take messages from the queue',
    `client=$(az identity create --name ${identity} ${where} --query clientId --output tsv)`,
    `operator=$(az identity show --name ${identity} ${where} --query principalId --output tsv)`,
    azFederation({ name: 'keymount-operator', identity, group: resourceGroup, issuer, subject }),
    azRole(`"${processorRole}"`, {
      principal: '"$operator"',
      scope: `"$account/queueServices/default/queues/${queue}"`,
    }),
    'tenant=$(az account show --query tenantId --output tsv)',
  ]
}

function valuesLines({ queue, vaults }: SetupPlan): string[] {
  return [
    '# Values for the chart',
    'cat <<END',
    'events:',
    '  enabled: true',
    `  queue: \${queues}${queue}`,
    `  vaults: [${vaults.join(', ')}]`,
    '  clientID: $client',
    '  tenantID: $tenant',
    'END',
  ]
}

function probeLines({ vaults: [vault = ''], cluster, storageAccount, queue }: SetupPlan): string[] {
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
    `  messages=$(az storage message peek --queue-name ${queue} --account-name ${storageAccount} --auth-mode key --num-messages 32 --query '[].content' --output tsv | while read -r text; do base64 --decode <<<"$text"; done) || messages=`,
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
