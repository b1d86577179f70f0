import type { IdentityErrorCode } from '#azure/identity'
import type { VaultErrorCode } from '#azure/keyvault'
import type { CatalogueEntry } from './explanation.ts'

/** Causes that the provider finds itself; its others come from `azure/identity` and `azure/keyvault`. */
export type MountErrorCode =
  | 'cloud-unknown'
  | 'deadline-exceeded'
  | 'emulator-not-configured'
  | 'internal-error'
  | 'json-path-missing'
  | 'managed-identity-not-allowed'
  | 'mount-cancelled'
  | 'mount-too-large'
  | 'object-content-unusable'
  | 'object-version-missing'
  | 'parameters-invalid'
  | 'provider-busy'
  | 'request-invalid'
  | 'select-file-name'
  | 'select-nothing-found'
  | 'select-too-many'
  | 'service-account-unreadable'
  | 'template-failed'

/** Causes that the provider reports. */
export type ProviderErrorCode = MountErrorCode | IdentityErrorCode | VaultErrorCode

const createFederatedCredential =
  '`az identity federated-credential create --name NAME --identity-name IDENTITY -g GROUP --issuer ISSUER --subject system:serviceaccount:NAMESPACE:NAME --audiences api://AzureADTokenExchange`'

/** Every cause of a failed mount that the provider reports, by its stable code. */
export const providerErrors: Readonly<Record<ProviderErrorCode, CatalogueEntry>> = {
  'cloud-unknown': {
    grpc: 'INVALID_ARGUMENT',
    meaning: '`cloudName` names no cloud, or the environment file of AzureStackCloud cannot be used.',
    fix: 'Use one of the names in the message; mount the environment file into the provider’s pod.',
  },
  'deadline-exceeded': {
    grpc: 'DEADLINE_EXCEEDED',
    meaning: 'The mount took longer than the caller waits.',
    fix: 'See which vault or sign-in the provider’s log line names; check egress from a hostNetwork pod of that node.',
    outage: true,
  },
  'emulator-not-configured': {
    grpc: 'INVALID_ARGUMENT',
    meaning: 'The class has `useEmulator: "true"`, but no local Azure is configured for this provider.',
    fix: 'Remove `useEmulator`, or start the provider with `--emulator-proxy` (and `--emulator-ca-file`).',
  },
  'entra-app-not-found': {
    grpc: 'UNAUTHENTICATED',
    meaning: 'The tenant has no application or managed identity with this client id (AADSTS700016), or it is disabled.',
    fix: '`az identity show -g GROUP -n IDENTITY --query "{client:clientId, tenant:tenantId}"` gives both values; `clientID` is not the object id.',
  },
  'entra-assertion-expired': {
    grpc: 'UNAUTHENTICATED',
    meaning: 'The service account token is outside its time of validity (AADSTS700024).',
    fix: 'Check the node’s clock; kubelet renews tokens when the driver’s CSIDriver object has `requiresRepublish: true`.',
  },
  'entra-assertion-invalid': {
    grpc: 'UNAUTHENTICATED',
    meaning: 'The token’s signature or form is wrong (AADSTS50013, AADSTS50027).',
    fix: 'The issuer’s published keys must be the cluster’s current ones: `kubectl get --raw /openid/v1/jwks`.',
  },
  'entra-audience-mismatch': {
    grpc: 'UNAUTHENTICATED',
    meaning: 'No federated credential has the presented audience (AADSTS700212).',
    fix: createFederatedCredential,
  },
  'entra-certificate-unknown': {
    grpc: 'UNAUTHENTICATED',
    meaning: 'The application does not know the certificate that signed in (AADSTS700027).',
    fix: '`az ad app credential reset --id APP --append --cert @cert.pem`',
  },
  'entra-client-secret-expired': {
    grpc: 'UNAUTHENTICATED',
    meaning: 'The client secret has expired (AADSTS7000222).',
    fix: '`az ad app credential reset --id APP`, then put the new value into the `nodePublishSecretRef` Secret.',
  },
  'entra-client-secret-wrong': {
    grpc: 'UNAUTHENTICATED',
    meaning: 'The client secret is not the application’s (AADSTS7000215).',
    fix: 'Put the secret’s value, not its id, under `clientsecret` of the `nodePublishSecretRef` Secret.',
  },
  'entra-issuer-mismatch': {
    grpc: 'UNAUTHENTICATED',
    meaning: 'No federated credential has the presented issuer (AADSTS700211). A trailing slash counts.',
    fix: createFederatedCredential,
  },
  'entra-issuer-unreachable': {
    grpc: 'UNAUTHENTICATED',
    meaning: 'Entra cannot fetch the issuer’s discovery document (AADSTS90061).',
    fix: 'Publish `ISSUER/.well-known/openid-configuration` where Entra can reach it.',
  },
  'entra-no-federated-credential': {
    grpc: 'UNAUTHENTICATED',
    meaning: 'The identity has no federated credential, or none that fits (AADSTS70021, AADSTS70025, AADSTS7000214).',
    fix: createFederatedCredential,
  },
  'entra-rejected': {
    grpc: 'UNAUTHENTICATED',
    meaning: 'Entra refused the sign-in for another reason; its own text is in the message.',
    fix: 'Look the AADSTS number up at https://login.microsoftonline.com/error.',
  },
  'entra-resource-unknown': {
    grpc: 'UNAUTHENTICATED',
    meaning: 'The tenant does not know the vault’s resource (AADSTS500011).',
    fix: '`cloudName` must be the cloud of the tenant.',
  },
  'entra-subject-case-mismatch': {
    grpc: 'UNAUTHENTICATED',
    meaning: 'A federated credential has this subject in another letter case (AADSTS7002138).',
    fix: createFederatedCredential,
  },
  'entra-subject-mismatch': {
    grpc: 'UNAUTHENTICATED',
    meaning: 'No federated credential has the presented subject (AADSTS700213).',
    fix: createFederatedCredential,
  },
  'entra-tenant-not-found': {
    grpc: 'UNAUTHENTICATED',
    meaning: 'There is no such tenant in this cloud (AADSTS90002).',
    fix: '`az account show --query tenantId` gives the value for `tenantID`.',
  },
  'entra-throttled': {
    grpc: 'RESOURCE_EXHAUSTED',
    meaning: 'Entra asks for fewer sign-ins.',
    fix: 'Nothing: it is tried again. A longer `--token-cache-ttl` makes fewer sign-ins.',
    outage: true,
  },
  'entra-unreachable': {
    grpc: 'UNAVAILABLE',
    meaning: 'Entra cannot be reached or cannot answer now.',
    fix: 'Check egress to the login host of the cloud from a hostNetwork pod of the node.',
    outage: true,
  },
  'identity-binding-refused': {
    grpc: 'PERMISSION_DENIED',
    meaning: 'The cluster’s token proxy for identity bindings refuses the service account.',
    fix: 'A ClusterRole with the verb `use-managed-identity` on the client id in the API group `cid.wi.aks.azure.com`, a ClusterRoleBinding for the account, and an identity binding of the cluster (`az aks identity-binding list`). `keymount identity plan --cluster --azure --format az` prints what is missing ([identity-plan.md](identity-plan.md)).',
  },
  'identity-certificate-invalid': {
    grpc: 'INVALID_ARGUMENT',
    meaning: 'The service principal’s certificate cannot be used.',
    fix: 'Put PEM text with the RSA private key and its certificate, or a base64 PFX, under `clientcertificate`.',
  },
  'internal-error': {
    grpc: 'INTERNAL',
    meaning: 'A mistake of the provider itself.',
    fix: 'Report it, with the provider’s log line.',
  },
  'json-path-missing': {
    grpc: 'NOT_FOUND',
    meaning: 'The secret is not JSON, or has nothing at the `jsonPath`.',
    fix: '`az keyvault secret show --vault-name VAULT -n NAME --query value -o tsv | jq .` shows what is there.',
  },
  'managed-identity-ambiguous': {
    grpc: 'INVALID_ARGUMENT',
    meaning: 'The node has several user-assigned identities and the class names none.',
    fix: 'Set `userAssignedIdentityID` to the client id of one of them.',
  },
  'managed-identity-not-allowed': {
    grpc: 'PERMISSION_DENIED',
    meaning: 'The provider does not let classes sign in as this identity of the node (`--managed-identities`).',
    fix: 'Use workload identity. An administrator can allow the identity by its client id: chart value `managedIdentities`.',
  },
  'managed-identity-not-assigned': {
    grpc: 'UNAUTHENTICATED',
    meaning: 'The identity is not assigned to the node’s machine or scale set.',
    fix: '`az vmss identity assign -g NODE_GROUP -n SCALE_SET --identities IDENTITY_ID`',
  },
  'managed-identity-unreachable': {
    grpc: 'UNAVAILABLE',
    meaning: 'The instance metadata service does not answer.',
    fix: 'Managed identity works on Azure nodes only, and not where IMDS is blocked; workload identity works everywhere.',
  },
  'mount-cancelled': {
    grpc: 'CANCELLED',
    meaning: 'The caller gave up.',
    fix: 'Nothing: kubelet asks again.',
  },
  'mount-too-large': {
    grpc: 'RESOURCE_EXHAUSTED',
    meaning: 'The files of the class are larger than one mount may be.',
    fix: 'Mount fewer objects per class. An administrator can raise the limit: chart value `maxCallRecvMsgSize`, which sets `--max-mount-bytes` of the provider and the driver’s own limit.',
  },
  'object-content-unusable': {
    grpc: 'FAILED_PRECONDITION',
    meaning: 'The object was read and cannot become the file that the class asks for (format, encoding, key type).',
    fix: 'Change `objectFormat`, `objectEncoding` or `objectType` as the message suggests.',
  },
  'object-version-missing': {
    grpc: 'NOT_FOUND',
    meaning: '`objectVersion` is not among the enabled versions of the object.',
    fix: '`az keyvault secret list-versions --vault-name VAULT -n NAME -o table`',
  },
  'parameters-invalid': {
    grpc: 'INVALID_ARGUMENT',
    meaning: 'The class’s parameters cannot be used; the message lists everything that is wrong.',
    fix: 'Change the SecretProviderClass; the pod starts by itself afterwards.',
  },
  'pod-identity-not-bound': {
    grpc: 'UNAUTHENTICATED',
    meaning: 'AAD Pod Identity has no binding for the pod.',
    fix: '`kubectl get azureidentitybinding -A`: its selector must be the pod’s label `aadpodidbinding`. Better: move to workload identity.',
  },
  'pod-identity-unreachable': {
    grpc: 'UNAVAILABLE',
    meaning: 'NMI does not answer on this node, or could not get the token.',
    fix: '`kubectl get pods -A -l component=nmi -o wide` and its log.',
  },
  'provider-busy': {
    grpc: 'RESOURCE_EXHAUSTED',
    meaning: 'More mounts are in progress than the provider takes at once.',
    fix: 'Nothing: kubelet asks again.',
  },
  'request-invalid': {
    grpc: 'INVALID_ARGUMENT',
    meaning: 'The driver’s request is not in the form of the provider protocol.',
    fix: 'Use a driver of version 1.0 or newer.',
  },
  'select-file-name': {
    grpc: 'INVALID_ARGUMENT',
    meaning:
      'An object that a `select` found has no path of its own: `fileName` names a tag that it lacks, gives a path that a volume cannot have, or the path of another file.',
    fix: 'Change `fileName` (`{name}`, `{tag:KEY}`) or `stripPrefix` of the entry, or the tag: `az keyvault secret set-attributes --vault-name VAULT -n NAME --tags KEY=VALUE`.',
  },
  'select-nothing-found': {
    grpc: 'NOT_FOUND',
    meaning:
      'No object of the vault fits a `select`. Objects that are disabled, expired, not valid yet, or belong to a certificate never do.',
    fix: '`az keyvault secret list --vault-name VAULT --query "[].{name:name,enabled:attributes.enabled,managed:managed,tags:tags}" -o table` shows what there is. `optional: true` accepts an empty set.',
  },
  'select-too-many': {
    grpc: 'FAILED_PRECONDITION',
    meaning:
      'More objects fit a `select` than its `limit` (100 without one) or than a class may have, or its patterns take too long.',
    fix: 'Make `namePattern`, `tags` or `exclude` narrower, or raise `limit`, up to 500.',
  },
  'service-account-unreadable': {
    grpc: 'FAILED_PRECONDITION',
    meaning: 'The class names no `clientID` or tenant, and the pod’s service account, which might, cannot be read.',
    fix: 'Name both in the class, or give the provider the right to `get` service accounts (the manifests in `deploy/` do).',
  },
  'token-proxy-unavailable': {
    grpc: 'UNAVAILABLE',
    meaning: 'The cluster’s token proxy for identity bindings cannot be used.',
    fix: 'Identity bindings exist on AKS only; `--sni-name` and `--token-proxy-url` override what is found.',
  },
  'template-failed': {
    grpc: 'INVALID_ARGUMENT',
    meaning:
      'A template of the class cannot be filled in: the message has its file, line and column, and what is missing or too much.',
    fix: 'Compare the name with the objects of the class (`objectAlias`, or the name, with `_` for other characters); write `if` around what may be absent, or `default "…"`.',
  },
  'vault-answer-invalid': {
    grpc: 'INTERNAL',
    meaning: 'The vault’s answer is not what its interface promises.',
    fix: 'Is a proxy in the way that answers for the vault?',
  },
  'vault-bad-request': {
    grpc: 'INVALID_ARGUMENT',
    meaning: 'The vault refuses the form of the request, for example an invalid version.',
    fix: 'Check `objectName` and `objectVersion`.',
  },
  'vault-certificate-pending': {
    grpc: 'FAILED_PRECONDITION',
    meaning: 'The certificate has been requested and not been issued yet.',
    fix: '`az keyvault certificate pending show --vault-name VAULT -n NAME` shows what its issuer waits for.',
  },
  'vault-challenge-refused': {
    grpc: 'PERMISSION_DENIED',
    meaning: 'The vault’s host asks for a token for something else than vaults of this cloud; none was sent.',
    fix: 'Check `keyvaultName`, `cloudName`, and who answers for that name in your DNS.',
  },
  'vault-connection-failed': {
    grpc: 'UNAVAILABLE',
    meaning: 'The connection to the vault broke.',
    fix: 'Check egress and firewall from a hostNetwork pod of the node.',
    outage: true,
  },
  'vault-connection-refused': {
    grpc: 'UNAVAILABLE',
    meaning: 'The vault’s address refuses connections.',
    fix: 'Check firewall, network policy and private endpoint from a hostNetwork pod of the node.',
    outage: true,
  },
  'vault-error': {
    grpc: 'UNAVAILABLE',
    meaning: 'The vault answers with a server error.',
    fix: 'Nothing: it is tried again. See https://azure.status.microsoft.',
    outage: true,
  },
  'vault-firewall': {
    grpc: 'PERMISSION_DENIED',
    meaning: 'The vault’s firewall keeps the node out.',
    fix: '`az keyvault network-rule add -n VAULT --ip-address NODE_EGRESS`, or a private endpoint.',
  },
  'vault-forbidden': {
    grpc: 'PERMISSION_DENIED',
    meaning: 'The identity may not read this object.',
    fix: '`az role assignment create --role "Key Vault Secrets User" --assignee CLIENT_ID --scope VAULT_ID` (keys: Key Vault Crypto User, certificates: Key Vault Certificate User), or `az keyvault set-policy -n VAULT --spn CLIENT_ID --secret-permissions get`. History needs `list` too.',
  },
  'vault-missing': {
    grpc: 'UNAVAILABLE',
    meaning: 'There is no vault of this name.',
    fix: 'Check `keyvaultName`: `az keyvault list --query "[].name"`.',
  },
  'vault-name-not-resolved': {
    grpc: 'UNAVAILABLE',
    meaning: 'DNS knows no such vault.',
    fix: '`az keyvault show -n VAULT --query properties.vaultUri`; a private endpoint needs its private DNS zone linked.',
    outage: true,
  },
  'vault-object-deleted': {
    grpc: 'NOT_FOUND',
    meaning: 'The object was deleted and can still be recovered.',
    fix: '`az keyvault secret recover --vault-name VAULT -n NAME`',
  },
  'vault-object-disabled': {
    grpc: 'PERMISSION_DENIED',
    meaning: 'The object (or the version) is disabled.',
    fix: '`az keyvault secret set-attributes --vault-name VAULT -n NAME --enabled true`',
  },
  'vault-object-expired': {
    grpc: 'PERMISSION_DENIED',
    meaning: 'The vault refuses the object because it is outside its time of validity.',
    fix: '`az keyvault secret set-attributes --vault-name VAULT -n NAME --expires DATE`, or set a new version.',
  },
  'vault-object-missing': {
    grpc: 'NOT_FOUND',
    meaning: 'The vault has no such object of this type.',
    fix: '`az keyvault secret list --vault-name VAULT -o table`; check `objectName`, `objectType`, `keyvaultName`.',
  },
  'vault-proxy-failed': {
    grpc: 'UNAVAILABLE',
    meaning: 'The HTTPS proxy cannot connect to the vault.',
    fix: 'Check `keyvaultName`, the proxy, and the proxy’s way to the vault.',
    outage: true,
  },
  'vault-proxy-refused': {
    grpc: 'UNAVAILABLE',
    meaning: 'The HTTPS proxy forbids connections to the vault.',
    fix: 'Check `keyvaultName`; allow `*.vault.azure.net` in the proxy, or put it into NO_PROXY.',
  },
  'vault-throttled': {
    grpc: 'RESOURCE_EXHAUSTED',
    meaning: 'The vault’s request limit is used up (429).',
    fix: 'Nothing: the node leaves that vault alone for as long as it asked. Fewer objects, or longer rotation intervals, make fewer requests.',
    outage: true,
  },
  'vault-timeout': {
    grpc: 'DEADLINE_EXCEEDED',
    meaning: 'The vault does not answer in time.',
    fix: 'Check egress, firewall and private endpoint from a hostNetwork pod of the node.',
    outage: true,
  },
  'vault-tls-failed': {
    grpc: 'UNAVAILABLE',
    meaning: 'The vault’s certificate is not trusted.',
    fix: 'A proxy that inspects TLS needs its CA in SSL_CERT_FILE or NODE_EXTRA_CA_CERTS of the provider.',
    outage: true,
  },
  'vault-unauthorized': {
    grpc: 'UNAUTHENTICATED',
    meaning: 'The vault does not accept the identity’s token.',
    fix: 'The vault must belong to the tenant of `tenantID`: `az keyvault show -n VAULT --query properties.tenantId`.',
  },
}
