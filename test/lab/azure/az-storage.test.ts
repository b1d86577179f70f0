import { type AzStep, azTest, group } from '../../support/az.ts'

/** `az storage` on the local Azure: accounts, queues and messages, with an account key and signed in. */
const scope = '/subscriptions/{subscriptionId}/resourceGroups/shop'
const onQueues = '--account-name shopqueues'

const account: AzStep = {
  az: 'storage account create -n shopqueues -g shop -l westeurope --sku Standard_LRS --min-tls-version TLS1_2',
  query: 'primaryEndpoints.queue',
  prints: 'https://shopqueues.queue.core.windows.net/',
}

azTest('az storage account', [
  group,
  { az: 'storage account check-name -n shopqueues', query: 'nameAvailable', prints: true },
  { az: 'storage account check-name -n Shop-Queues', query: 'reason', prints: 'AccountNameInvalid' },
  account,
  { az: 'storage account check-name -n shopqueues', query: 'reason', prints: 'AlreadyExists' },
  {
    az: 'storage account show -n shopqueues -g shop',
    query: '[sku.name,kind,minimumTlsVersion,provisioningState]',
    prints: ['Standard_LRS', 'StorageV2', 'TLS1_2', 'Succeeded'],
  },
  { az: 'storage account list', query: '[].name', prints: ['shopqueues'] },
  { az: 'storage account list -g shop', query: '[].name', prints: ['shopqueues'] },
  { az: 'storage account keys list -n shopqueues -g shop', query: '[].keyName', prints: ['key1', 'key2'] },
  { az: 'storage account keys renew -n shopqueues -g shop --key key2', query: 'length(@)', prints: 2 },
  {
    az: 'storage account update -n shopqueues -g shop --tags team=shop --allow-shared-key-access false',
    query: '[tags.team,allowSharedKeyAccess]',
    prints: ['shop', false],
  },
  { az: 'storage account show-connection-string -n shopqueues -g shop', query: 'connectionString' },
  { az: 'resource list -g shop', query: '[].type', prints: ['Microsoft.Storage/storageAccounts'] },
  { az: 'storage account delete -n shopqueues -g shop --yes' },
  { az: 'storage account show -n shopqueues -g shop', fails: { status: 3, saying: /ResourceNotFound/ } },
])

azTest('az storage queue and az storage message, with an account key', [
  group,
  account,
  { az: 'storage account keys list -n shopqueues -g shop', query: '[0].value', keep: 'key' },
  { az: `storage queue create -n orders ${onQueues} --account-key {key}`, query: 'created', prints: true },
  { az: `storage queue create -n orders ${onQueues} --account-key {key}`, query: 'created', prints: false },
  { az: `storage queue exists -n orders ${onQueues} --account-key {key}`, query: 'exists', prints: true },
  { az: `storage queue metadata update -n orders --metadata team=shop ${onQueues} --account-key {key}` },
  { az: `storage queue metadata show -n orders ${onQueues} --account-key {key}`, prints: { team: 'shop' } },
  { az: `storage queue list ${onQueues} --account-key {key}`, query: '[].name', prints: ['orders'] },
  { az: `storage message put -q orders --content hello ${onQueues} --account-key {key}`, query: 'content' },
  {
    az: `storage message peek -q orders ${onQueues} --account-key {key}`,
    query: '[].[content,dequeueCount]',
    prints: [['hello', 0]],
  },
  {
    az: `storage message get -q orders --visibility-timeout 60 ${onQueues} --account-key {key}`,
    query: '[0].id',
    keep: 'id',
  },
  { az: `storage message get -q orders ${onQueues} --account-key {key}`, prints: [] },
  { az: `storage message clear -q orders ${onQueues} --account-key {key}` },
  { az: `storage queue delete -n orders ${onQueues} --account-key {key}`, query: 'deleted', prints: true },
  { az: `storage queue exists -n orders ${onQueues} --account-key {key}`, query: 'exists', prints: false },
])

azTest('az storage message, signed in with a role', [
  group,
  account,
  { az: `storage queue create -n orders ${onQueues} --auth-mode login`, query: 'created', prints: true },
  {
    az: `storage message put -q orders --content hello ${onQueues} --auth-mode login`,
    fails: { status: 1, saying: /required permissions|AuthorizationPermissionMismatch/ },
  },
  {
    az: `role assignment create --role Storage\\ Queue\\ Data\\ Contributor --assignee {clientId} --scope ${scope}/providers/Microsoft.Storage/storageAccounts/shopqueues`,
    query: 'principalType',
    prints: 'ServicePrincipal',
  },
  { az: `storage message put -q orders --content hello --time-to-live 600 ${onQueues} --auth-mode login` },
  { az: `storage message get -q orders ${onQueues} --auth-mode login`, query: '[0].[id,popReceipt]', keep: 'held' },
  { az: `storage message clear -q orders ${onQueues} --auth-mode login` },
  // Without a way to sign in, az looks for the account and reads its key.
  { az: `storage message put -q orders --content again ${onQueues}`, query: 'content', prints: 'again' },
])
