import { z } from 'zod'
import type { StorageAccount, StorageAccountProperties } from '../../storage/accounts.ts'
import { resourceFields } from '../resource-kind.ts'
import { locationSchema, tagsSchema } from '../validate.ts'

/** The bodies of storage account requests. https://learn.microsoft.com/rest/api/storagerp/storage-accounts/create */

const properties = z.looseObject({
  allowSharedKeyAccess: z.boolean().nullish(),
  publicNetworkAccess: z.enum(['Enabled', 'Disabled']).nullish(),
  networkAcls: z
    .object({
      bypass: z.string().nullish(),
      defaultAction: z.enum(['Allow', 'Deny']).nullish(),
      ipRules: z.array(z.unknown()).max(400).nullish(),
      virtualNetworkRules: z.array(z.unknown()).max(400).nullish(),
    })
    .nullish(),
})

type GivenProperties = z.output<typeof properties>

const skuSchema = z.object({ name: z.string().regex(/^(Standard|Premium)_[A-Za-z0-9]{1,20}$/) })
const kindSchema = z.enum(['Storage', 'StorageV2', 'BlobStorage', 'FileStorage', 'BlockBlobStorage'])

export const putAccountBody = z.object({
  location: locationSchema.optional(),
  tags: tagsSchema,
  sku: skuSchema,
  kind: kindSchema,
  properties: properties.nullish(),
})

export const patchAccountBody = z.object({
  tags: z.record(z.string(), z.string()).nullish(),
  sku: skuSchema.nullish(),
  kind: kindSchema.nullish(),
  properties: properties.nullish(),
})

/** Settings that the lab returns as they were given, with Azure's defaults. */
const stored = {
  accessTier: 'Hot',
  allowBlobPublicAccess: false,
  allowCrossTenantReplication: false,
  minimumTlsVersion: 'TLS1_0',
  supportsHttpsTrafficOnly: true,
} as const

/** The account's properties with `given` applied; what is neither given nor there has Azure's default. */
export function applyAccountProperties(
  given: GivenProperties,
  before: StorageAccountProperties | undefined,
): StorageAccountProperties {
  const acls = given.networkAcls
  const others = Object.keys(stored).map((name) => {
    const value = given[name] ?? before?.others[name] ?? stored[name as keyof typeof stored]
    return [name, value]
  })
  return {
    allowSharedKeyAccess: given.allowSharedKeyAccess ?? before?.allowSharedKeyAccess ?? true,
    publicNetworkAccess: given.publicNetworkAccess ?? before?.publicNetworkAccess ?? 'Enabled',
    networkAcls: {
      bypass: acls?.bypass ?? before?.networkAcls.bypass ?? 'AzureServices',
      defaultAction: acls?.defaultAction ?? before?.networkAcls.defaultAction ?? 'Allow',
      ipRules: acls?.ipRules ?? before?.networkAcls.ipRules ?? [],
      virtualNetworkRules: acls?.virtualNetworkRules ?? before?.networkAcls.virtualNetworkRules ?? [],
    },
    others: Object.fromEntries(others),
  }
}

/** The account as Resource Manager returns it. Of its services the lab has queues. */
export function renderAccount(account: StorageAccount, type: string, queueEndpoint: string) {
  const { location, sku, kind, keys, createdAt } = account
  const { others, ...evaluated } = account.properties
  return {
    ...resourceFields(account, type),
    sku: { name: sku, tier: sku.slice(0, sku.indexOf('_')) },
    kind,
    properties: {
      ...others,
      ...evaluated,
      keyCreationTime: Object.fromEntries(keys.map(({ keyName, creationTime }) => [keyName, creationTime])),
      encryption: {
        keySource: 'Microsoft.Storage',
        services: { queue: { enabled: true, keyType: 'Service', lastEnabledTime: createdAt } },
      },
      creationTime: createdAt,
      primaryEndpoints: { queue: queueEndpoint },
      primaryLocation: location,
      statusOfPrimary: 'available',
      provisioningState: 'Succeeded',
    },
  }
}
