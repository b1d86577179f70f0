/**
 * Azure's built-in roles: what each permits on resources (`actions`) and on their data (`dataActions`).
 * https://learn.microsoft.com/azure/role-based-access-control/built-in-roles
 */
export interface RoleDefinition {
  /** The GUID, the same in every tenant. */
  name: string
  roleName: string
  description: string
  actions: readonly string[]
  notActions: readonly string[]
  dataActions: readonly string[]
  notDataActions: readonly string[]
}

const vaults = 'Microsoft.KeyVault/vaults'
const storageAccounts = 'Microsoft.Storage/storageAccounts'
const queues = `${storageAccounts}/queueServices/queues`

/** The actions of every Key Vault data role on the resource itself: reading. */
const vaultReadActions = [
  'Microsoft.Authorization/*/read',
  'Microsoft.Insights/alertRules/*',
  'Microsoft.Resources/deployments/*',
  'Microsoft.Resources/subscriptions/resourceGroups/read',
  'Microsoft.Support/*',
  'Microsoft.KeyVault/checkNameAvailability/read',
  'Microsoft.KeyVault/deletedVaults/read',
  'Microsoft.KeyVault/locations/*/read',
  `${vaults}/*/read`,
  'Microsoft.KeyVault/operations/read',
]

export const builtInRoles: readonly RoleDefinition[] = [
  role(
    '8e3af657-a8ff-443c-a75c-2fe8c4bcb635',
    'Owner',
    'Grants full access to manage all resources, including the ability to assign roles in Azure RBAC.',
    {
      actions: ['*'],
    },
  ),
  role(
    'b24988ac-6180-42a0-ab88-20f7382dd24c',
    'Contributor',
    'Grants full access to manage all resources, but does not allow you to assign roles in Azure RBAC.',
    {
      actions: ['*'],
      notActions: [
        'Microsoft.Authorization/*/Delete',
        'Microsoft.Authorization/*/Write',
        'Microsoft.Authorization/elevateAccess/Action',
      ],
    },
  ),
  role(
    'acdd72a7-3385-48ef-bd42-f606fba81ae7',
    'Reader',
    'View all resources, but does not allow you to make any changes.',
    {
      actions: ['*/read'],
    },
  ),
  role(
    '18d7d88d-d35e-4fb5-a5c3-7773c20a72d9',
    'User Access Administrator',
    'Lets you manage user access to Azure resources.',
    {
      actions: ['*/read', 'Microsoft.Authorization/*', 'Microsoft.Support/*'],
    },
  ),
  role(
    'f58310d9-a9f6-439a-9e8d-f62e7b41a168',
    'Role Based Access Control Administrator',
    'Manage access to Azure resources by assigning roles using Azure RBAC.',
    {
      actions: [
        'Microsoft.Authorization/roleAssignments/write',
        'Microsoft.Authorization/roleAssignments/delete',
        '*/read',
        'Microsoft.Support/*',
      ],
    },
  ),
  role(
    'e40ec5ca-96e0-45a2-b4ff-59039f2c2b59',
    'Managed Identity Contributor',
    'Create, Read, Update, and Delete User Assigned Identity.',
    {
      actions: [
        'Microsoft.ManagedIdentity/userAssignedIdentities/read',
        'Microsoft.ManagedIdentity/userAssignedIdentities/write',
        'Microsoft.ManagedIdentity/userAssignedIdentities/delete',
        'Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials/*',
        'Microsoft.Authorization/*/read',
        'Microsoft.Resources/subscriptions/resourceGroups/read',
        'Microsoft.Support/*',
      ],
    },
  ),
  role('f1a07417-d97a-45cb-824c-7a7467783830', 'Managed Identity Operator', 'Read and Assign User Assigned Identity.', {
    actions: [
      'Microsoft.ManagedIdentity/userAssignedIdentities/*/read',
      'Microsoft.ManagedIdentity/userAssignedIdentities/*/assign/action',
      'Microsoft.Authorization/*/read',
      'Microsoft.Resources/subscriptions/resourceGroups/read',
      'Microsoft.Support/*',
    ],
  }),
  role(
    '9980e02c-c2be-4d73-94e8-173b1dc7cf3c',
    'Virtual Machine Contributor',
    'Lets you manage virtual machines, but not access to them, and not the virtual network or storage account they are connected to.',
    {
      actions: [
        'Microsoft.Authorization/*/read',
        'Microsoft.Compute/virtualMachines/*',
        'Microsoft.Compute/virtualMachineScaleSets/*',
        'Microsoft.Resources/subscriptions/resourceGroups/read',
        'Microsoft.Support/*',
      ],
    },
  ),
  role(
    'f25e0fa2-a7c8-4377-a976-54943a77a395',
    'Key Vault Contributor',
    'Lets you manage key vaults, but not access to them.',
    {
      actions: [
        'Microsoft.Authorization/*/read',
        'Microsoft.KeyVault/*',
        'Microsoft.Resources/subscriptions/resourceGroups/read',
        'Microsoft.Support/*',
      ],
      notActions: [
        'Microsoft.KeyVault/locations/deletedVaults/purge/action',
        'Microsoft.KeyVault/hsmPools/*',
        'Microsoft.KeyVault/managedHsms/*',
      ],
    },
  ),
  role(
    '00482a5a-887f-4fb3-b363-3b7fe8e74483',
    'Key Vault Administrator',
    'Perform all data plane operations on a key vault and all objects in it, including certificates, keys, and secrets.',
    {
      actions: vaultReadActions,
      dataActions: [`${vaults}/*`],
    },
  ),
  role(
    '21090545-7ca7-4776-b22c-e363652d74d2',
    'Key Vault Reader',
    'Read metadata of key vaults and its certificates, keys, and secrets.',
    {
      actions: vaultReadActions,
      dataActions: [`${vaults}/*/read`, `${vaults}/secrets/readMetadata/action`],
    },
  ),
  role(
    'b86a8fe4-44ce-4948-aee5-eccb2c155cd7',
    'Key Vault Secrets Officer',
    'Perform any action on the secrets of a key vault, except manage permissions.',
    {
      actions: vaultReadActions,
      dataActions: [`${vaults}/secrets/*`],
    },
  ),
  role('4633458b-17de-408a-b874-0445c86b69e6', 'Key Vault Secrets User', 'Read secret contents.', {
    dataActions: [`${vaults}/secrets/getSecret/action`, `${vaults}/secrets/readMetadata/action`],
  }),
  role(
    'a4417e6f-fecd-4de8-b567-7b0420556985',
    'Key Vault Certificates Officer',
    'Perform any action on the certificates of a key vault, except manage permissions.',
    {
      actions: vaultReadActions,
      dataActions: [`${vaults}/certificatecas/*`, `${vaults}/certificates/*`, `${vaults}/certificatecontacts/write`],
    },
  ),
  role('db79e9a7-68ee-4b58-9aeb-b90e7c24fcba', 'Key Vault Certificate User', 'Read certificate contents.', {
    dataActions: [
      `${vaults}/certificates/read`,
      `${vaults}/secrets/getSecret/action`,
      `${vaults}/secrets/readMetadata/action`,
      `${vaults}/keys/read`,
    ],
  }),
  role(
    '14b46e9e-c2b7-41b4-b07b-48a6ebf60603',
    'Key Vault Crypto Officer',
    'Perform any action on the keys of a key vault, except manage permissions.',
    {
      actions: vaultReadActions,
      dataActions: [`${vaults}/keys/*`, `${vaults}/keyrotationpolicies/*`],
    },
  ),
  role(
    '12338af0-0e69-4776-bea7-57ae8d297424',
    'Key Vault Crypto User',
    'Perform cryptographic operations using keys.',
    {
      dataActions: [
        `${vaults}/keys/read`,
        `${vaults}/keys/update/action`,
        `${vaults}/keys/backup/action`,
        `${vaults}/keys/encrypt/action`,
        `${vaults}/keys/decrypt/action`,
        `${vaults}/keys/wrap/action`,
        `${vaults}/keys/unwrap/action`,
        `${vaults}/keys/sign/action`,
        `${vaults}/keys/verify/action`,
      ],
    },
  ),
  role(
    'e147488a-f6f5-4113-8e2d-b22465e65bf6',
    'Key Vault Crypto Service Encryption User',
    'Read metadata of keys and perform wrap/unwrap operations.',
    {
      dataActions: [`${vaults}/keys/read`, `${vaults}/keys/wrap/action`, `${vaults}/keys/unwrap/action`],
    },
  ),
  role('08bbd89e-9f13-488c-ac41-acfcb10c90ab', 'Key Vault Crypto Service Release User', 'Release keys.', {
    dataActions: [`${vaults}/keys/release/action`],
  }),
  role(
    'a68e7c17-0ab2-4c09-9a58-125dae29748c',
    'Key Vault Purge Operator',
    'Allows permanent deletion of soft-deleted vaults.',
    {
      actions: [
        'Microsoft.KeyVault/locations/deletedVaults/read',
        'Microsoft.KeyVault/locations/deletedVaults/purge/action',
        'Microsoft.KeyVault/locations/operationResults/read',
        'Microsoft.KeyVault/deletedVaults/read',
      ],
    },
  ),
  role(
    '17d1049b-9a84-46fb-8f53-869881c3d3ab',
    'Storage Account Contributor',
    'Lets you manage storage accounts, including accessing storage account keys which provide full access to storage account data.',
    {
      actions: [
        'Microsoft.Authorization/*/read',
        'Microsoft.Insights/alertRules/*',
        'Microsoft.Insights/diagnosticSettings/*',
        'Microsoft.Network/virtualNetworks/subnets/joinViaServiceEndpoint/action',
        'Microsoft.ResourceHealth/availabilityStatuses/read',
        'Microsoft.Resources/deployments/*',
        'Microsoft.Resources/subscriptions/resourceGroups/read',
        `${storageAccounts}/*`,
        'Microsoft.Support/*',
      ],
    },
  ),
  role(
    '974c5e8b-45b9-4653-ba55-5f855dd0fb88',
    'Storage Queue Data Contributor',
    'Allows for read, write, and delete access to Azure Storage queues and queue messages.',
    {
      actions: [`${queues}/delete`, `${queues}/read`, `${queues}/write`],
      dataActions: [
        `${queues}/messages/delete`,
        `${queues}/messages/read`,
        `${queues}/messages/write`,
        `${queues}/messages/process/action`,
      ],
    },
  ),
  role(
    '8a0f0c08-91a1-4084-bc3d-661d67233fed',
    'Storage Queue Data Message Processor',
    'Allows for peek, receive, and delete access to Azure Storage queue messages.',
    { dataActions: [`${queues}/messages/read`, `${queues}/messages/process/action`] },
  ),
  role(
    'c6a89b2d-59bc-44d0-9896-0f6e12d7b80a',
    'Storage Queue Data Message Sender',
    'Allows for sending of Azure Storage queue messages.',
    { dataActions: [`${queues}/messages/add/action`] },
  ),
  role(
    '19e7f393-937e-4f77-808e-94535e297925',
    'Storage Queue Data Reader',
    'Allows for read access to Azure Storage queues and queue messages.',
    { actions: [`${queues}/read`], dataActions: [`${queues}/messages/read`] },
  ),
  role('1e241071-0855-49ea-94dc-649edcd759de', 'EventGrid Contributor', 'Lets you manage EventGrid operations.', {
    actions: [
      'Microsoft.Authorization/*/read',
      'Microsoft.EventGrid/*',
      'Microsoft.Insights/alertRules/*',
      'Microsoft.Resources/deployments/*',
      'Microsoft.Resources/subscriptions/resourceGroups/read',
      'Microsoft.Support/*',
    ],
  }),
  role(
    '78cbd9e7-9798-4e2e-9b5a-547d9ebb31fb',
    'EventGrid Data Receiver',
    'Allows receive access to event grid events.',
    {
      dataActions: ['Microsoft.EventGrid/events/receive/action'],
    },
  ),
  role('d5a91429-5739-47e2-a06b-3470a27159e7', 'EventGrid Data Sender', 'Allows send access to event grid events.', {
    actions: [
      'Microsoft.Authorization/*/read',
      'Microsoft.EventGrid/topics/read',
      'Microsoft.EventGrid/domains/read',
      'Microsoft.EventGrid/partnerNamespaces/read',
      'Microsoft.EventGrid/namespaces/read',
      'Microsoft.Resources/subscriptions/resourceGroups/read',
    ],
    dataActions: ['Microsoft.EventGrid/events/send/action'],
  }),
  role(
    '1d8c3fe3-8864-474b-8749-01e3783e8157',
    'EventGrid Data Contributor',
    'Allows send and receive access to event grid events.',
    { dataActions: ['Microsoft.EventGrid/events/send/action', 'Microsoft.EventGrid/events/receive/action'] },
  ),
  role(
    '428e0ff0-5e57-4d9c-a221-2c70d0e0a443',
    'EventGrid EventSubscription Contributor',
    'Lets you manage EventGrid event subscription operations.',
    {
      actions: [
        'Microsoft.Authorization/*/read',
        'Microsoft.EventGrid/eventSubscriptions/*',
        'Microsoft.EventGrid/topicTypes/eventSubscriptions/read',
        'Microsoft.EventGrid/locations/eventSubscriptions/read',
        'Microsoft.EventGrid/locations/topicTypes/eventSubscriptions/read',
        'Microsoft.Insights/alertRules/*',
        'Microsoft.Resources/deployments/*',
        'Microsoft.Resources/subscriptions/resourceGroups/read',
        'Microsoft.Support/*',
      ],
    },
  ),
]

/** The role of the ready-made administrator on the subscription. */
export const ownerRole = '8e3af657-a8ff-443c-a75c-2fe8c4bcb635'

const byName = new Map(builtInRoles.map((definition) => [definition.name, definition]))

/** A role by its GUID, in any case. */
export function roleDefinition(name: string): RoleDefinition | undefined {
  return byName.get(name.toLowerCase())
}

type Permissions = Partial<Pick<RoleDefinition, 'actions' | 'notActions' | 'dataActions' | 'notDataActions'>>

function role(name: string, roleName: string, description: string, permissions: Permissions): RoleDefinition {
  return {
    name,
    roleName,
    description,
    actions: [],
    notActions: [],
    dataActions: [],
    notDataActions: [],
    ...permissions,
  }
}
