import { type TestContext, test } from 'node:test'
import { type AzStep, azMissing, findAz, startAz, walk } from '../support/az.ts'
import { createClusterBackend } from '../support/cluster-backend.ts'

/**
 * The `az` commands of published walk-throughs, as they are written but for their placeholders, in their order.
 * Where today's az refuses one, whatever answers it, the refusal is checked, and the line after it is what to type
 * instead: see docs/walkthroughs.md. Nothing runs behind the cluster here.
 */
function walkthrough(name: string, steps: readonly AzStep[]): void {
  const program = findAz()
  test(name, { skip: program === undefined && azMissing }, async (t: TestContext) => {
    await walk(t, await startAz(t, program ?? '', { clusterBackend: createClusterBackend() }), steps)
  })
}

/** What az itself refuses, with its exit status 2 for usage. */
const usage = (saying: RegExp) => ({ status: 2, saying })

walkthrough('Workload identity with a managed identity, vault with access policies', [
  { az: 'group create -g demo -l eastus' },
  {
    az: 'aks create -g demo -n demo --node-count 1 --enable-oidc-issuer --enable-workload-identity --enable-addons azure-keyvault-secrets-provider --generate-ssh-keys',
  },
  { az: 'aks get-credentials -g demo -n demo -f {dir}/kubeconfig' },
  { az: 'aks show -n demo -g demo', query: 'oidcIssuerProfile.issuerUrl', keep: 'AKS_OIDC_ISSUER' },
  { az: 'account show', query: 'tenantId' },
  { az: 'identity create --name kvcsi-demo-identity --resource-group demo --location eastus' },
  { az: 'identity show --resource-group demo --name kvcsi-demo-identity', query: 'clientId', keep: 'CLIENT_ID' },
  {
    az: 'identity federated-credential create --name kvcsi-demo-federated-id --identity-name kvcsi-demo-identity --resource-group demo --issuer {AKS_OIDC_ISSUER} --subject system:serviceaccount:default:kvcsi-demo-sa',
  },
  { az: 'keyvault create --name wi-demo --resource-group demo --location eastus' },
  // az makes vaults with roles by default, and then refuses policies.
  {
    az: 'keyvault secret set --vault-name wi-demo --name TestSecret --value Hello\\ from\\ Key\\ Vault',
    fails: { status: 1, saying: /ForbiddenByRbac/ },
  },
  {
    az: 'keyvault set-policy --name wi-demo -g demo --secret-permissions get --spn {CLIENT_ID}',
    fails: { status: 1, saying: /enable-rbac-authorization/ },
  },
  { az: 'keyvault create --name wi-demo2 --resource-group demo --location eastus --enable-rbac-authorization false' },
  { az: 'keyvault secret set --vault-name wi-demo2 --name TestSecret --value Hello\\ from\\ Key\\ Vault' },
  { az: 'keyvault set-policy --name wi-demo2 -g demo --secret-permissions get --spn {CLIENT_ID}' },
  {
    az: 'keyvault secret show --vault-name wi-demo2 --name TestSecret',
    query: 'value',
    prints: 'Hello from Key Vault',
  },
])

walkthrough('The add-on of the cluster, vault with roles', [
  { az: 'group create --name myResourceGroup --location eastus2' },
  {
    az: 'aks create --name myAKSCluster --resource-group myResourceGroup --enable-managed-identity --enable-addons azure-keyvault-secrets-provider --generate-ssh-keys',
  },
  {
    az: 'aks enable-addons --addons azure-keyvault-secrets-provider --name myAKSCluster --resource-group myResourceGroup',
    // For a cluster that was made without it.
    fails: { status: 1, saying: /already enabled/ },
  },
  {
    az: 'keyvault create --name my-vault --resource-group myResourceGroup --location eastus2 --enable-rbac-authorization',
  },
  {
    az: 'keyvault update --name my-vault --resource-group myResourceGroup --location eastus2 --enable-rbac-authorization',
    fails: usage(/unrecognized arguments: --location/),
  },
  { az: 'keyvault update --name my-vault --resource-group myResourceGroup --enable-rbac-authorization' },
  { az: 'keyvault show --name my-vault', query: 'id', keep: 'KEYVAULT_SCOPE' },
  {
    az: 'role assignment create --role Key\\ Vault\\ Secrets\\ Officer --assignee {clientId} --scope {KEYVAULT_SCOPE}',
  },
  { az: 'keyvault secret set --vault-name my-vault --name ExampleSecret --value MyAKSExampleSecret' },
  {
    az: 'aks show --resource-group myResourceGroup --name myAKSCluster',
    query: 'addonProfiles.azureKeyvaultSecretsProvider.identity.objectId',
    keep: 'IDENTITY_OBJECT_ID',
  },
  {
    az: 'aks show --resource-group myResourceGroup --name myAKSCluster',
    query: 'addonProfiles.azureKeyvaultSecretsProvider.identity.clientId',
    keep: 'CLIENT_ID',
  },
  {
    az: 'role assignment create --role Key\\ Vault\\ Certificate\\ User --assignee {CLIENT_ID} --scope {KEYVAULT_SCOPE}',
  },
  { az: 'identity create -resource-group myResourceGroup --name mine', fails: usage(/required|unrecognized/) },
  { az: 'identity create --resource-group myResourceGroup --name mine', query: 'id', keep: 'IDENTITY' },
  { az: 'vmss list -g MC_myResourceGroup_myAKSCluster_eastus2', query: '[0].name', keep: 'VMSS' },
  {
    az: 'vmss identity assign --resource-group MC_myResourceGroup_myAKSCluster_eastus2 --name {VMSS} --identities {IDENTITY}',
  },
  { az: 'identity show --resource-group myResourceGroup --name mine', query: 'principalId', keep: 'MINE' },
  {
    az: 'keyvault set-policy --name my-vault --key-permissions get --object-id {MINE}',
    fails: { status: 1, saying: /enable-rbac-authorization/ },
  },
  {
    az: 'aks disable-addons --addons azure-keyvault-secrets-provider --resource-group myResourceGroup --name myAKSCluster',
  },
])

walkthrough('Service principal, and identities for pods', [
  { az: 'group create -n contosoResourceGroup -l eastus' },
  {
    az: 'ad sp create-for-rbac --name contosoServicePrincipal --skip-assignment',
    query: 'appId',
    keep: 'AZURE_CLIENT_ID',
  },
  {
    az: 'aks create -n contosoAKSCluster -g contosoResourceGroup --kubernetes-version 1.16.9 --node-count 1 --enable-managed-identity --generate-ssh-keys',
    fails: { status: 1, saying: /K8sVersionNotSupported/ },
  },
  {
    az: 'aks create -n contosoAKSCluster -g contosoResourceGroup --node-count 1 --enable-managed-identity --generate-ssh-keys',
    query: 'identityProfile.kubeletidentity.clientId',
    keep: 'KUBELET',
  },
  {
    az: 'aks show --name contosoAKSCluster --resource-group contosoResourceGroup',
    query: 'nodeResourceGroup',
    keep: 'NODES',
  },
  {
    az: 'keyvault create -n contosoKeyVault5 -g contosoResourceGroup --enable-rbac-authorization false',
    query: 'id',
    keep: 'VAULT',
  },
  { az: 'role assignment create --role Reader --assignee {AZURE_CLIENT_ID} --scope {VAULT}' },
  { az: 'keyvault set-policy -n contosoKeyVault5 --secret-permissions get --spn {AZURE_CLIENT_ID}' },
  {
    az: 'ad sp credential reset --name contosoServicePrincipal --credential-description APClientSecret --query password -o tsv',
    fails: usage(/required: --id/),
  },
  {
    az: 'ad sp credential reset --id {AZURE_CLIENT_ID} --display-name APClientSecret',
    query: 'length(password)',
    prints: 40,
  },
  {
    az: 'role assignment create --role Managed\\ Identity\\ Contributor --assignee {KUBELET} --scope /subscriptions/{subscriptionId}/resourcegroups/{NODES}',
  },
  {
    az: 'role assignment create --role Virtual\\ Machine\\ Contributor --assignee {KUBELET} --scope /subscriptions/{subscriptionId}/resourcegroups/{NODES}',
  },
  {
    az: 'identity create -g contosoResourceGroup -n identityName',
    query: "[principalId, clientId] | join(' ', @)",
    keep: 'BOTH',
  },
  { az: 'identity show -g contosoResourceGroup -n identityName', query: 'principalId', keep: 'PRINCIPAL' },
  { az: 'identity show -g contosoResourceGroup -n identityName', query: 'clientId', keep: 'CLIENT' },
  { az: 'role assignment create --role Reader --assignee {PRINCIPAL} --scope {VAULT}' },
  { az: 'keyvault set-policy -n contosoKeyVault5 --secret-permissions get --spn {CLIENT}' },
])

walkthrough('Workload identity with an application', [
  { az: 'group create --name tech-news-rg --location eastus' },
  {
    az: 'aks create --resource-group tech-news-rg --name aks-prod-eastus --node-count 1 --generate-ssh-keys --enable-oidc-issuer --enable-addons azurekeyvaultsecretsdriver --network-plugin azure --kubernetes-version 1.28.5',
    fails: { status: 1, saying: /azurekeyvaultsecretsdriver/ },
  },
  {
    az: 'aks create --resource-group tech-news-rg --name aks-prod-eastus --node-count 1 --generate-ssh-keys --enable-oidc-issuer --enable-workload-identity --enable-addons azure-keyvault-secrets-provider --network-plugin azure',
  },
  { az: 'aks get-credentials --resource-group tech-news-rg --name aks-prod-eastus -f {dir}/kubeconfig' },
  {
    az: 'keyvault create --name my-unique-kv-12345 --resource-group tech-news-rg --location eastus --sku standard --enabled-for-rbac false',
    fails: usage(/unrecognized arguments: --enabled-for-rbac/),
  },
  {
    az: 'keyvault create --name my-unique-kv-12345 --resource-group tech-news-rg --location eastus --sku standard --enable-rbac-authorization false',
  },
  {
    az: 'keyvault secret set --vault-name my-unique-kv-12345 --name MyApplicationSecret --value SuperSecretValueFromTechNews',
  },
  { az: 'account show', query: 'tenantId' },
  { az: 'ad app create --display-name my-aks-app-identity', query: 'appId', keep: 'APP_ID' },
  { az: 'aks show -g tech-news-rg -n aks-prod-eastus', query: 'oidcIssuerProfile.issuerUrl', keep: 'AKS_OIDC_ISSUER' },
  {
    az: 'ad app federated-credential create --id {APP_ID} --name aks-federated-credential --issuer {AKS_OIDC_ISSUER} --subject system:serviceaccount:default:my-app-service-account --description Kubernetes\\ federated\\ credential --audiences api://AzureADTokenExchange',
    fails: usage(/required: --parameters/),
  },
  {
    az: 'ad app federated-credential create --id {APP_ID} --parameters {"name":"aks-federated-credential","issuer":"{AKS_OIDC_ISSUER}","subject":"system:serviceaccount:default:my-app-service-account","audiences":["api://AzureADTokenExchange"]}',
  },
  {
    az: 'keyvault set-policy --name my-unique-kv-12345 --secret-permissions get list --spn {APP_ID}',
    fails: { status: 1, saying: /unable to get object id from principal name|not found|doesn't exist/i },
  },
  { az: 'ad sp create --id {APP_ID}' },
  { az: 'keyvault set-policy --name my-unique-kv-12345 --secret-permissions get list --spn {APP_ID}' },
])
