import { type TestContext, test } from 'node:test'
import { type AzStep, azMissing, findAz, startAz, walk } from '../support/az.ts'

/** The unmodified Azure CLI judges the local Azure, with Azure's own host names: each table is what somebody types in order. */
function azTest(name: string, steps: readonly AzStep[]): void {
  const program = findAz()
  test(name, { skip: program === undefined && azMissing }, async (t: TestContext) => {
    await walk(t, await startAz(t, program ?? ''), steps)
  })
}

const group: AzStep = {
  az: 'group create -n shop -l westeurope',
  query: 'properties.provisioningState',
  prints: 'Succeeded',
}
const scope = '/subscriptions/{subscriptionId}/resourceGroups/shop'
const administer: AzStep = {
  az: `role assignment create --role Key\\ Vault\\ Administrator --assignee {clientId} --scope ${scope}`,
  query: 'principalType',
  prints: 'ServicePrincipal',
}
const missing = (code: string) => ({ status: 3, saying: new RegExp(code) })

azTest('az account and az group', [
  { az: 'account show', query: 'user.type', prints: 'servicePrincipal' },
  { az: 'account list', query: 'length(@)', prints: 1 },
  { az: 'account set --subscription {subscriptionId}' },
  { az: 'account list-locations', query: "[?name=='westeurope'].displayName", prints: ['West Europe'] },
  { az: 'account get-access-token', query: 'tokenType', prints: 'Bearer' },
  { az: 'group exists -n shop', prints: false },
  group,
  { az: 'group exists -n SHOP', prints: true },
  { az: 'group show -n shop', query: 'location', prints: 'westeurope' },
  { az: 'group list', query: '[].name', prints: ['keymount-test', 'shop'] },
  { az: 'group create -n shop -l eastus', fails: { status: 1, saying: /InvalidResourceGroupLocation/ } },
  { az: 'resource list -g shop', prints: [] },
  { az: 'group delete -n shop --yes' },
  { az: 'group show -n shop', fails: missing('ResourceGroupNotFound') },
])

azTest('az keyvault: vaults with roles and with access policies', [
  group,
  { az: 'keyvault check-name -n shop', query: 'nameAvailable', prints: true },
  {
    az: 'keyvault create -n shop-roles -g shop -l westeurope',
    query: 'properties.enableRbacAuthorization',
    prints: true,
  },
  {
    az: 'keyvault create -n shop-policies -g shop --enable-rbac-authorization false',
    query: 'properties.accessPolicies[].permissions.secrets',
    prints: [['all']],
  },
  { az: 'keyvault create -n shop-roles -g shop', fails: { status: 1, saying: /VaultAlreadyExists|already exist/ } },
  { az: 'keyvault show -n shop-roles', query: 'properties.vaultUri', prints: 'https://shop-roles.vault.azure.net/' },
  { az: 'keyvault list', query: '[].name', prints: ['shop-roles', 'shop-policies'] },
  {
    az: 'keyvault update -n shop-roles -g shop --enabled-for-deployment',
    query: 'properties.enabledForDeployment',
    prints: true,
  },
  { az: 'identity create -n orders -g shop', query: 'principalId', keep: 'orders' },
  {
    az: 'keyvault set-policy -n shop-policies --object-id {orders} --secret-permissions get list',
    query: "properties.accessPolicies[?objectId=='{orders}'].permissions.secrets",
  },
  {
    az: 'keyvault set-policy -n shop-roles --object-id {orders} --secret-permissions get',
    fails: { status: 1, saying: /rbac/ },
  },
  {
    az: 'keyvault delete-policy -n shop-policies --object-id {orders}',
    query: 'length(properties.accessPolicies)',
    prints: 1,
  },
  {
    az: 'keyvault secret set --vault-name shop-roles -n pw --value x',
    fails: { status: 1, saying: /ForbiddenByRbac/ },
  },
  { az: 'keyvault delete -n shop-roles' },
  { az: 'keyvault show -n shop-roles', fails: { status: 1, saying: /not found within subscription/ } },
  { az: 'keyvault list-deleted', query: '[].name', prints: ['shop-roles'] },
  { az: 'keyvault recover -n shop-roles', query: 'name', prints: 'shop-roles' },
  { az: 'keyvault delete -n shop-roles' },
  { az: 'keyvault purge -n shop-roles' },
  { az: 'keyvault list-deleted', prints: [] },
  { az: 'resource list', query: '[].name | sort(@)', prints: ['orders', 'shop-policies'] },
])

azTest('az keyvault secret', [
  group,
  { az: 'keyvault create -n shop -g shop' },
  administer,
  { az: 'keyvault secret set --vault-name shop -n pw --value one', query: 'value', prints: 'one' },
  {
    az: 'keyvault secret set --vault-name shop -n pw --value two --tags team=shop',
    query: 'tags.team',
    prints: 'shop',
  },
  { az: 'keyvault secret show --vault-name shop -n pw', query: 'value', prints: 'two' },
  { az: 'keyvault secret list --vault-name shop', query: '[].name', prints: ['pw'] },
  { az: 'keyvault secret list-versions --vault-name shop -n pw', query: 'length(@)', prints: 2 },
  { az: 'keyvault secret download --vault-name shop -n pw -f {dir}/pw.txt' },
  {
    az: 'keyvault secret set-attributes --vault-name shop -n pw --enabled false',
    query: 'attributes.enabled',
    prints: false,
  },
  { az: 'keyvault secret show --vault-name shop -n pw', fails: { status: 1, saying: /SecretDisabled/ } },
  { az: 'keyvault secret backup --vault-name shop -n pw -f {dir}/pw.backup' },
  {
    az: 'keyvault secret delete --vault-name shop -n pw',
    query: 'recoveryId',
    prints: 'https://shop.vault.azure.net/deletedsecrets/pw',
  },
  {
    az: 'keyvault secret set --vault-name shop -n pw --value x',
    fails: { status: 1, saying: /ObjectIsDeletedButRecoverable/ },
  },
  { az: 'keyvault secret show --vault-name shop -n pw', fails: missing('SecretNotFound') },
  { az: 'keyvault secret list-deleted --vault-name shop', query: '[].name', prints: ['pw'] },
  { az: 'keyvault secret recover --vault-name shop -n pw', query: 'name', prints: 'pw' },
  { az: 'keyvault secret delete --vault-name shop -n pw' },
  { az: 'keyvault secret purge --vault-name shop -n pw' },
  { az: 'keyvault secret restore --vault-name shop -f {dir}/pw.backup', query: 'name', prints: 'pw' },
])

azTest('az identity and az role', [
  group,
  { az: 'identity create -n orders -g shop', query: 'clientId', keep: 'orders' },
  { az: 'identity show -n orders -g shop', query: 'clientId', prints: undefined },
  { az: 'identity list -g shop', query: '[].name', prints: ['orders'] },
  {
    az: 'identity federated-credential create -n k8s --identity-name orders -g shop --issuer https://issuer.test/ --subject system:serviceaccount:shop:orders',
    query: 'audiences',
    prints: ['api://AzureADTokenExchange'],
  },
  {
    az: 'identity federated-credential create -n twin --identity-name orders -g shop --issuer https://issuer.test/ --subject system:serviceaccount:shop:orders',
    fails: { status: 1, saying: /Issuer and subject combination already exists/ },
  },
  {
    az: 'identity federated-credential update -n k8s --identity-name orders -g shop --issuer https://issuer.test/ --subject system:serviceaccount:shop:other',
    query: 'subject',
    prints: 'system:serviceaccount:shop:other',
  },
  {
    az: 'identity federated-credential show -n k8s --identity-name orders -g shop',
    query: 'issuer',
    prints: 'https://issuer.test/',
  },
  { az: 'identity federated-credential list --identity-name orders -g shop', query: '[].name', prints: ['k8s'] },
  { az: 'identity federated-credential delete -n k8s --identity-name orders -g shop --yes' },
  {
    az: 'role definition list --name Key\\ Vault\\ Secrets\\ User',
    query: '[].name',
    prints: ['4633458b-17de-408a-b874-0445c86b69e6'],
  },
  {
    az: `role assignment create --role Key\\ Vault\\ Secrets\\ User --assignee {orders} --scope ${scope}`,
    query: 'name',
    keep: 'assignment',
  },
  {
    az: `role assignment create --role Key\\ Vault\\ Secrets\\ User --assignee {orders} --scope ${scope}`,
    query: 'name',
  },
  {
    az: `role assignment list --assignee {orders} --scope ${scope}`,
    query: '[].roleDefinitionName',
    prints: ['Key Vault Secrets User'],
  },
  { az: `role assignment delete --assignee {orders} --role Key\\ Vault\\ Secrets\\ User --scope ${scope}` },
  { az: 'role assignment list --assignee {orders} --all', prints: [] },
  {
    az: `role assignment create --role Reader --assignee nobody --scope ${scope}`,
    fails: { status: 1, saying: /Cannot find user or service principal/ },
  },
  { az: 'identity delete -n orders -g shop' },
  { az: 'identity show -n orders -g shop', fails: missing('ResourceNotFound') },
])
