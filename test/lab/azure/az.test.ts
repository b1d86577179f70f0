import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { parse } from 'yaml'
import { type AzStep, azMissing, azTest, findAz, group, startAz, walk } from '../../support/az.ts'
import { createClusterBackend } from '../../support/cluster-backend.ts'
import { createOpenssl } from '../../support/openssl.ts'
import { startTestIssuer } from '../../support/test-issuer.ts'

const scope = '/subscriptions/{subscriptionId}/resourceGroups/shop'
const administer: AzStep = {
  az: `role assignment create --role Key\\ Vault\\ Administrator --assignee {clientId} --scope ${scope}`,
  query: 'principalType',
  prints: 'ServicePrincipal',
}
const missing = (code: string) => ({ status: 3, saying: new RegExp(code) })

/** A key and its certificate from elsewhere, as PEM and as PFX. */
function certificateFiles(t: TestContext): Record<string, string> {
  const openssl = createOpenssl(t)
  const { key, certificate } = openssl.certificate('web', { kind: 'rsa' })
  const files = {
    key,
    pem: `${key}\n${certificate}`,
    pfx: openssl.pfx({ key, certificates: [certificate], args: ['-passout', 'pass:pw'] }),
  }
  for (const [name, content] of Object.entries(files)) writeFileSync(openssl.path(name), content)
  return Object.fromEntries(Object.keys(files).map((name) => [name, openssl.path(name)]))
}

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
  group,
  { az: 'group delete -n shop --yes --no-wait' },
  { az: 'group wait -n shop --deleted --interval 1' },
  { az: 'group exists -n shop', prints: false },
  // There are no people in the directory, and az's own client is not in it.
  { az: 'login --use-device-code --tenant {tenantId}', fails: { status: 1, saying: /AADSTS700016/ } },
  {
    az: 'login -u ada@keymount.onmicrosoft.com -p x --tenant {tenantId}',
    fails: { status: 1, saying: /AADSTS700016/ },
  },
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
  {
    az: 'keyvault update -n shop-roles -g shop --default-action Deny',
    query: 'properties.networkAcls.defaultAction',
    prints: 'Deny',
  },
  { az: 'keyvault secret list --vault-name shop-roles', fails: { status: 1, saying: /ForbiddenByFirewall/ } },
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
    az: `role assignment create --role Reader --assignee missing --scope ${scope}`,
    fails: { status: 1, saying: /Cannot find user or service principal/ },
  },
  { az: 'identity delete -n orders -g shop' },
  { az: 'identity show -n orders -g shop', fails: missing('ResourceNotFound') },
])

azTest('az ad app and az ad app federated-credential', [
  { az: 'ad app create --display-name shop', query: 'appId', keep: 'app' },
  { az: 'ad app create --display-name shop', query: 'appId', keep: 'again' },
  { az: 'ad app list --display-name shop', query: 'length(@)', prints: 1 },
  { az: 'ad app show --id {app}', query: 'displayName', prints: 'shop' },
  { az: 'ad app update --id {app} --identifier-uris api://shop' },
  { az: 'ad app show --id api://shop', query: 'signInAudience', prints: 'AzureADMyOrg' },
  { az: 'ad app list --all', query: '[].displayName', prints: ['keymount-administrator', 'shop'] },
  { az: 'ad app credential reset --id {app} --append --display-name ci', query: 'length(password)', prints: 40 },
  { az: 'ad app credential list --id {app}', query: '[].[displayName, secretText]', prints: [['ci', null]] },
  {
    az: 'ad app federated-credential create --id {app} --parameters {"name":"k8s","issuer":"https://issuer.test/","subject":"system:serviceaccount:shop:orders","audiences":["api://AzureADTokenExchange"]}',
    query: 'name',
    prints: 'k8s',
  },
  {
    az: 'ad app federated-credential create --id {app} --parameters {"name":"twin","issuer":"https://issuer.test/","subject":"system:serviceaccount:shop:orders"}',
    fails: { status: 1, saying: /already exists/ },
  },
  {
    az: 'ad app federated-credential update --id {app} --federated-credential-id k8s --parameters {"subject":"system:serviceaccount:shop:other"}',
  },
  {
    az: 'ad app federated-credential show --id {app} --federated-credential-id k8s',
    query: 'subject',
    prints: 'system:serviceaccount:shop:other',
  },
  {
    az: 'ad app federated-credential list --id {app}',
    query: '[].audiences',
    prints: [['api://AzureADTokenExchange']],
  },
  { az: 'ad app federated-credential delete --id {app} --federated-credential-id k8s' },
  { az: 'ad app delete --id {app}' },
  { az: 'ad app show --id {app}', fails: missing('does not exist') },
])

azTest('az ad sp', [
  group,
  {
    az: 'ad sp create --id 11111111-2222-3333-4444-555555555555',
    fails: { status: 1, saying: /does not reference a valid application object/ },
  },
  { az: 'ad app create --display-name billing', query: 'appId', keep: 'billing' },
  { az: 'ad sp create --id {billing}', query: 'servicePrincipalType', prints: 'Application' },
  { az: 'ad sp create --id {billing}', fails: { status: 1, saying: /already in use/ } },
  { az: 'ad sp show --id {billing}', query: 'displayName', prints: 'billing' },
  { az: 'ad sp list --display-name bill', query: '[].displayName', prints: ['billing'] },
  { az: 'ad sp credential reset --id {billing}', query: 'password', keep: 'first' },
  { az: 'ad sp credential reset --id {billing}', query: 'password', keep: 'second' },
  { az: 'ad sp credential list --id {billing}', query: 'length(@)', prints: 1 },
  {
    az: `role assignment create --role Reader --assignee {billing} --scope ${scope}`,
    query: 'principalType',
    prints: 'ServicePrincipal',
  },
  {
    az: 'login --service-principal -u {billing} -p {first} --tenant {tenantId}',
    fails: { status: 1, saying: /AADSTS7000215/ },
  },
  {
    az: 'login --service-principal -u {billing} -p {second} --tenant {tenantId}',
    query: '[].user.name | length(@)',
    prints: 1,
  },
  { az: 'ad sp list', fails: { status: 1, saying: /Insufficient privileges/ } },
  { az: 'login --service-principal -u {clientId} -p {clientSecret} --tenant {tenantId}' },
  { az: 'ad sp delete --id {billing}' },
  { az: 'ad sp show --id {billing}', fails: missing('does not exist') },
])

azTest('az ad sp create-for-rbac, with a secret and with a certificate', [
  group,
  {
    az: `ad sp create-for-rbac -n deploy --role Contributor --scopes ${scope}`,
    query: "[appId, password] | join(' -p ', @)",
    keep: 'deploy',
  },
  {
    az: 'ad sp create-for-rbac -n signer --create-cert',
    query: "[appId, fileWithCertAndPrivateKey] | join(' --certificate ', @)",
    keep: 'signer',
  },
  { az: 'ad sp list --display-name signer', query: '[0].appId', keep: 'signerId' },
  { az: `role assignment create --role Reader --assignee {signerId} --scope ${scope}` },
  { az: 'login --service-principal --tenant {tenantId} -u {deploy}', query: 'length(@)', prints: 1 },
  { az: 'group list', query: '[].name', prints: ['shop'] },
  { az: 'keyvault create -n shop -g shop --enable-rbac-authorization', query: 'name', prints: 'shop' },
  {
    az: `role assignment create --role Reader --assignee-object-id {signerId} --assignee-principal-type ServicePrincipal --scope ${scope}`,
    fails: { status: 1, saying: /AuthorizationFailed/ },
  },
  { az: 'login --service-principal --tenant {tenantId} -u {signer}', query: 'length(@)', prints: 1 },
  { az: 'group show -n shop', query: 'name', prints: 'shop' },
  { az: 'group delete -n shop --yes', fails: { status: 1, saying: /AuthorizationFailed/ } },
])

/** An object of the vault is deleted, recovered, and deleted for good. */
function deletedTwice(kind: 'key' | 'certificate', name: string): AzStep[] {
  return [
    { az: `keyvault ${kind} delete --vault-name shop -n ${name}` },
    { az: `keyvault ${kind} list-deleted --vault-name shop`, query: '[].name', prints: [name] },
    { az: `keyvault ${kind} recover --vault-name shop -n ${name}` },
    { az: `keyvault ${kind} delete --vault-name shop -n ${name}` },
    { az: `keyvault ${kind} purge --vault-name shop -n ${name}` },
  ]
}

azTest(
  'az keyvault key',
  [
    group,
    { az: 'keyvault create -n shop -g shop' },
    administer,
    { az: 'keyvault key create --vault-name shop -n rsa --protection software', query: 'key.kty', prints: 'RSA' },
    { az: 'keyvault key create --vault-name shop -n ec --kty EC --curve P-384', query: 'key.crv', prints: 'P-384' },
    { az: 'keyvault key list --vault-name shop', query: '[].name', prints: ['ec', 'rsa'] },
    { az: 'keyvault key show --vault-name shop -n rsa', query: 'key.keyOps | length(@)', prints: 6 },
    {
      az: 'keyvault key encrypt --vault-name shop -n rsa -a RSA-OAEP-256 --value aGVsbG8=',
      query: 'result',
      keep: 'secret',
    },
    {
      az: 'keyvault key decrypt --vault-name shop -n rsa -a RSA-OAEP-256 --value {secret}',
      query: 'result',
      prints: 'aGVsbG8=',
    },
    {
      az: 'keyvault key sign --vault-name shop -n ec -a ES384 --digest OLBgp1GsljhM2TJ+sbHjaiH9txEUvgdDTAzHv2P24donTt6/529l+9Ua0vFImLlb',
      query: 'signature',
      keep: 'signature',
    },
    {
      az: 'keyvault key verify --vault-name shop -n ec -a ES384 --digest OLBgp1GsljhM2TJ+sbHjaiH9txEUvgdDTAzHv2P24donTt6/529l+9Ua0vFImLlb --signature {signature}',
      query: 'isValid',
      prints: true,
    },
    { az: 'keyvault key rotate --vault-name shop -n ec', query: 'key.crv', prints: 'P-384' },
    { az: 'keyvault key list-versions --vault-name shop -n ec', query: 'length(@)', prints: 2 },
    {
      az: 'keyvault key rotation-policy show --vault-name shop -n ec',
      query: 'lifetimeActions[0].[action, timeBeforeExpiry]',
      prints: ['Notify', 'P30D'],
    },
    {
      az: 'keyvault key rotation-policy update --vault-name shop -n ec --value {"lifetimeActions":[{"trigger":{"timeAfterCreate":"P30D"},"action":{"type":"Rotate"}}],"attributes":{"expiryTime":"P90D"}}',
      query: 'expiresIn',
      prints: 'P90D',
    },
    {
      az: 'keyvault key rotation-policy update --vault-name shop -n ec --value {"lifetimeActions":[],"attributes":{"expiryTime":"P1D"}}',
      fails: { status: 1, saying: /28 days/ },
    },
    {
      az: 'keyvault key set-attributes --vault-name shop -n rsa --enabled false',
      query: 'attributes.enabled',
      prints: false,
    },
    { az: 'keyvault key download --vault-name shop -n ec -f {dir}/ec.pem' },
    { az: 'keyvault key import --vault-name shop -n imported --pem-file {key}', query: 'key.kty', prints: 'RSA' },
    { az: 'keyvault key backup --vault-name shop -n ec -f {dir}/ec.backup' },
    ...deletedTwice('key', 'ec'),
    { az: 'keyvault key restore --vault-name shop -f {dir}/ec.backup', query: 'key.crv', prints: 'P-384' },
  ],
  certificateFiles,
)

azTest(
  'az keyvault certificate',
  [
    group,
    { az: 'keyvault create -n shop -g shop' },
    administer,
    { az: 'keyvault certificate get-default-policy', keep: 'policy' },
    { az: 'keyvault certificate create --vault-name shop -n web -p {policy}', query: 'status', prints: 'completed' },
    { az: 'keyvault certificate show --vault-name shop -n web', query: 'policy.issuerParameters.name', prints: 'Self' },
    { az: 'keyvault certificate list --vault-name shop', query: '[].name', prints: ['web'] },
    { az: 'keyvault certificate list-versions --vault-name shop -n web', query: 'length(@)', prints: 1 },
    { az: 'keyvault certificate pending show --vault-name shop -n web', query: 'status', prints: 'completed' },
    { az: 'keyvault certificate contact add --vault-name shop --email ops@example.com' },
    {
      az: 'keyvault certificate contact list --vault-name shop',
      query: 'contactList[].emailAddress',
      prints: ['ops@example.com'],
    },
    { az: 'keyvault certificate contact delete --vault-name shop --email ops@example.com' },
    { az: 'keyvault certificate issuer create --vault-name shop --issuer-name ca --provider DigiCert --account-id 1' },
    {
      az: 'keyvault certificate issuer show --vault-name shop --issuer-name ca',
      query: 'provider',
      prints: 'DigiCert',
    },
    { az: 'keyvault certificate issuer list --vault-name shop', query: '[].provider', prints: ['DigiCert'] },
    { az: 'keyvault certificate issuer delete --vault-name shop --issuer-name ca' },
    {
      az: 'keyvault certificate create --vault-name shop -n waiting -p {"issuerParameters":{"name":"Unknown"},"keyProperties":{"keyType":"RSA","keySize":2048,"exportable":true,"reuseKey":false},"secretProperties":{"contentType":"application/x-pem-file"},"x509CertificateProperties":{"subject":"CN=waiting"}}',
      query: 'status',
      prints: 'inProgress',
    },
    {
      az: 'keyvault certificate pending merge --vault-name shop -n waiting -f {pem}',
      fails: { status: 1, saying: /x5c/ },
    },
    { az: 'keyvault certificate pending delete --vault-name shop -n waiting' },
    { az: 'keyvault certificate pending show --vault-name shop -n waiting', fails: missing('Pending') },
    {
      az: 'keyvault certificate set-attributes --vault-name shop -n web --tags team=shop',
      query: 'tags.team',
      prints: 'shop',
    },
    { az: 'keyvault certificate download --vault-name shop -n web -f {dir}/web.pem' },
    { az: 'keyvault secret show --vault-name shop -n web', query: 'contentType', prints: 'application/x-pkcs12' },
    {
      az: 'keyvault secret set --vault-name shop -n web --value x',
      fails: { status: 1, saying: /belongs to a certificate/ },
    },
    {
      az: 'keyvault certificate import --vault-name shop -n pem -f {pem}',
      query: 'policy.secretProperties.contentType',
      prints: 'application/x-pem-file',
    },
    {
      az: 'keyvault certificate import --vault-name shop -n pfx -f {pfx} --password pw',
      query: 'policy.keyProperties.keySize',
      prints: 2048,
    },
    { az: 'keyvault certificate backup --vault-name shop -n web -f {dir}/web.backup' },
    ...deletedTwice('certificate', 'web'),
    { az: 'keyvault certificate restore --vault-name shop -f {dir}/web.backup', query: 'name', prints: 'web' },
    { az: 'keyvault secret show --vault-name shop -n web', query: 'contentType', prints: 'application/x-pkcs12' },
  ],
  certificateFiles,
)

const compute = `${scope}/providers/Microsoft.Compute`
const apiVersion = 'api-version=2024-11-01'

azTest('az vm and az vmss: the identities of machines', [
  group,
  {
    az: `rest --method put --url ${compute}/virtualMachines/web?${apiVersion} --body {"location":"westeurope","properties":{}}`,
    query: 'properties.provisioningState',
    prints: 'Succeeded',
  },
  {
    az: `rest --method put --url ${compute}/virtualMachineScaleSets/nodes?${apiVersion} --body {"location":"westeurope","sku":{"name":"Standard_D2s_v3","capacity":1},"properties":{}}`,
    query: 'sku.capacity',
    prints: 1,
  },
  { az: 'vm list', query: '[].name', prints: ['web'] },
  { az: 'vm show -g shop -n web', query: 'location', prints: 'westeurope' },
  { az: 'vm identity assign -g shop -n web', query: 'length(systemAssignedIdentity)', prints: 36 },
  { az: 'vm identity show -g shop -n web', query: 'type', prints: 'SystemAssigned' },
  { az: 'vm identity remove -g shop -n web' },
  { az: 'identity create -n kubelet -g shop', query: 'id', keep: 'kubelet' },
  { az: 'vmss list', query: '[].name', prints: ['nodes'] },
  { az: 'vmss identity assign -g shop -n nodes --identities {kubelet}' },
  { az: 'vmss identity show -g shop -n nodes', query: 'userAssignedIdentities.* | length(@)', prints: 1 },
  { az: 'vmss identity remove -g shop -n nodes --identities {kubelet}' },
  { az: 'vmss show -g shop -n nodes', query: 'identity', prints: undefined },
  {
    az: 'vmss identity assign -g shop -n nodes --identities missing',
    fails: { status: 1, saying: /FailedIdentityOperation|not found/ },
  },
])

const program = findAz()
test('az login --federated-token signs in with a token of a cluster', {
  skip: program === undefined && azMissing,
}, async (t) => {
  const issuer = await startTestIssuer(t)
  const az = await startAz(t, program ?? '', { issuerCaFiles: [issuer.caFile] })
  const subject = 'system:serviceaccount:shop:orders'
  const token = await issuer.token(subject)
  await walk(
    t,
    az,
    [
      group,
      { az: 'identity create -n orders -g shop', query: 'clientId', keep: 'orders' },
      { az: `role assignment create --role Reader --assignee {orders} --scope ${scope}` },
      {
        az: 'login --service-principal -u {orders} --tenant {tenantId} --federated-token {token}',
        fails: { status: 1, saying: /AADSTS70025/ },
      },
      {
        az: `identity federated-credential create -n k8s --identity-name orders -g shop --issuer {issuer} --subject ${subject}`,
      },
      {
        az: 'login --service-principal -u {orders} --tenant {tenantId} --federated-token {token}',
        query: 'length(@)',
        prints: 1,
      },
      { az: 'group list', query: '[].name', prints: ['shop'] },
    ],
    { token, issuer: issuer.url },
  )
})

test('az aks', { skip: program === undefined && azMissing }, async (t) => {
  const clusterBackend = createClusterBackend()
  const az = await startAz(t, program ?? '', { clusterBackend })
  const onCluster = '-g shop -n demo'
  await walk(t, az, [
    group,
    { az: 'aks get-versions -l westeurope', query: 'values[].version', prints: ['1.34'] },
    {
      az: `aks create ${onCluster} --node-count 1 --generate-ssh-keys --enable-addons azure-keyvault-secrets-provider --enable-oidc-issuer --enable-workload-identity`,
      query: 'addonProfiles.azureKeyvaultSecretsProvider.identity.clientId | length(@)',
      prints: 36,
    },
    {
      az: `aks create ${onCluster.replace('demo', 'second')} --generate-ssh-keys`,
      fails: { status: 1, saying: /QuotaExceeded/ },
    },
    { az: `aks show ${onCluster}`, query: 'oidcIssuerProfile.issuerUrl', prints: 'https://localhost:6443' },
    { az: `aks show ${onCluster}`, query: 'nodeResourceGroup', prints: 'MC_shop_demo_westeurope' },
    { az: 'aks list', query: '[].name', prints: ['demo'] },
    { az: 'vmss list -g MC_shop_demo_westeurope', query: '[0].sku.capacity', prints: 1 },
    { az: `aks get-credentials ${onCluster} -f {dir}/kubeconfig` },
    { az: `aks get-credentials ${onCluster} -f {dir}/kubeconfig --admin` },
    {
      az: `aks update ${onCluster} --enable-secret-rotation --rotation-poll-interval 1m`,
      query: 'addonProfiles.azureKeyvaultSecretsProvider.config.rotationPollInterval',
      prints: '1m',
    },
    {
      az: `aks disable-addons ${onCluster} --addons azure-keyvault-secrets-provider`,
      query: 'addonProfiles.azureKeyvaultSecretsProvider.enabled',
      prints: false,
    },
    {
      az: `aks enable-addons ${onCluster} --addons azure-keyvault-secrets-provider`,
      query: 'addonProfiles.azureKeyvaultSecretsProvider.enabled',
      prints: true,
    },
    {
      az: `aks upgrade ${onCluster} --kubernetes-version 1.34 --yes`,
      query: 'currentKubernetesVersion',
      prints: '1.34.0',
    },
    { az: `aks delete ${onCluster} --yes` },
    { az: `aks show ${onCluster}`, fails: missing('ResourceNotFound') },
    { az: 'group exists -n MC_shop_demo_westeurope', prints: false },
  ])
  assert.equal(clusterBackend.clusters.size, 0)
  const { contexts } = parse(readFileSync(join(az.directory, 'kubeconfig'), 'utf8'))
  assert.deepEqual(
    contexts.map(({ name }: { name: string }) => name),
    ['demo', 'demo-admin'],
  )
})
