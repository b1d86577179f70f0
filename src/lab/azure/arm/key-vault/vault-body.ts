import { z } from 'zod'
import { Refusal } from '../../http/refusal.ts'
import { defaultRetentionDays, minRetentionDays } from '../../keyvault/limits.ts'
import type { AccessPolicy, Vault, VaultProperties } from '../../keyvault/vaults.ts'
import { resourceFields } from '../resource-kind.ts'
import { guidSchema, locationSchema, tagsSchema } from '../validate.ts'

/** The bodies of vault requests. https://learn.microsoft.com/rest/api/keyvault/keyvault/vaults/create-or-update */

const words = z
  .array(z.string())
  .nullish()
  .transform((list) => list ?? [])

const accessPolicySchema = z.object({
  tenantId: guidSchema,
  objectId: z.string().min(1),
  applicationId: z
    .string()
    .nullish()
    .transform((id) => id ?? undefined),
  permissions: z.object({ keys: words, secrets: words, certificates: words, storage: words }),
}) satisfies z.ZodType<AccessPolicy>

const flag = z
  .boolean()
  .nullish()
  .transform((value) => value ?? undefined)

const properties = z.object({
  tenantId: guidSchema,
  sku: z.object({
    family: z.literal('A'),
    name: z
      .string()
      .transform((name) => name.toLowerCase())
      .pipe(z.enum(['standard', 'premium'])),
  }),
  accessPolicies: z.array(accessPolicySchema).max(1024).nullish(),
  enableRbacAuthorization: flag,
  enableSoftDelete: flag,
  softDeleteRetentionInDays: z.number().int().min(minRetentionDays).max(defaultRetentionDays).nullish(),
  enablePurgeProtection: flag,
  enabledForDeployment: flag,
  enabledForDiskEncryption: flag,
  enabledForTemplateDeployment: flag,
  createMode: z.enum(['default', 'recover']).nullish(),
  publicNetworkAccess: z
    .string()
    .transform((word) => word.toLowerCase())
    .pipe(z.enum(['enabled', 'disabled', 'securedbyperimeter']))
    .nullish(),
  networkAcls: z
    .object({
      bypass: z.enum(['AzureServices', 'None']).default('AzureServices'),
      defaultAction: z.enum(['Allow', 'Deny']).default('Allow'),
      ipRules: z.array(z.object({ value: z.string() })).nullish(),
      virtualNetworkRules: z.array(z.object({ id: z.string() })).nullish(),
    })
    .nullish(),
})

export const putVaultBody = z.object({ location: locationSchema.optional(), tags: tagsSchema, properties })

export const patchVaultBody = z.object({
  tags: z.record(z.string(), z.string()).optional(),
  properties: properties.partial().optional(),
})

export const accessPoliciesBody = z.object({ properties: z.object({ accessPolicies: z.array(accessPolicySchema) }) })

type GivenProperties = NonNullable<z.output<typeof patchVaultBody>['properties']>

/** New vaults use roles by default since this API version, access policies before. https://learn.microsoft.com/azure/key-vault/general/access-control-default */
const rbacByDefaultSince = '2026-02-01'

/** The vault's properties with `given` applied. Throws {@link Refusal} for changes that cannot be undone. */
export function applyProperties(
  given: GivenProperties,
  before: VaultProperties | undefined,
  { tenantId, apiVersion }: { tenantId: string; apiVersion: string },
): VaultProperties {
  refuse(given, before, tenantId)
  const { networkAcls } = given
  return {
    tenantId,
    sku: given.sku ?? before?.sku ?? { family: 'A', name: 'standard' },
    accessPolicies: given.accessPolicies ?? before?.accessPolicies ?? [],
    enableRbacAuthorization:
      given.enableRbacAuthorization ?? before?.enableRbacAuthorization ?? apiVersion >= rbacByDefaultSince,
    softDeleteRetentionInDays:
      before?.softDeleteRetentionInDays ?? given.softDeleteRetentionInDays ?? defaultRetentionDays,
    enablePurgeProtection: given.enablePurgeProtection === true ? true : before?.enablePurgeProtection,
    enabledForDeployment: given.enabledForDeployment ?? before?.enabledForDeployment ?? false,
    enabledForDiskEncryption: given.enabledForDiskEncryption ?? before?.enabledForDiskEncryption,
    enabledForTemplateDeployment: given.enabledForTemplateDeployment ?? before?.enabledForTemplateDeployment,
    publicNetworkAccess:
      given.publicNetworkAccess == null
        ? (before?.publicNetworkAccess ?? 'Enabled')
        : given.publicNetworkAccess === 'enabled'
          ? 'Enabled'
          : 'Disabled',
    networkAcls:
      networkAcls == null
        ? before?.networkAcls
        : {
            ...networkAcls,
            ipRules: networkAcls.ipRules ?? [],
            virtualNetworkRules: networkAcls.virtualNetworkRules ?? [],
          },
  }
}

function refuse(given: GivenProperties, before: VaultProperties | undefined, tenantId: string): void {
  if (given.tenantId !== undefined && given.tenantId !== tenantId) {
    throw badRequest(
      `An invalid value was provided for 'tenantId': found '${given.tenantId}', the subscription belongs to the tenant '${tenantId}'.`,
    )
  }
  if (given.enableSoftDelete === false) {
    throw badRequest(
      'The property "enableSoftDelete" can be set to false only for creating new vault. Enabling the \'soft delete\' functionality is an irreversible action.',
    )
  }
  if (given.enablePurgeProtection === false) {
    throw badRequest(
      'The property "enablePurgeProtection" cannot be set to false. Enabling the purge protection for a vault is an irreversible action.',
    )
  }
  const days = given.softDeleteRetentionInDays
  if (before !== undefined && days != null && days !== before.softDeleteRetentionInDays) {
    throw badRequest('The property "softDeleteRetentionInDays" has been set already and it can\'t be modified.')
  }
}

/** The vault as Resource Manager returns it. */
export function renderVault(vault: Vault, vaultUri: string) {
  return {
    ...resourceFields(vault, 'Microsoft.KeyVault/vaults'),
    systemData: {
      createdBy: vault.createdBy,
      createdByType: 'Application',
      createdAt: vault.createdAt,
      lastModifiedBy: vault.modifiedBy,
      lastModifiedByType: 'Application',
      lastModifiedAt: vault.modifiedAt,
    },
    properties: {
      ...vault.properties,
      enableSoftDelete: true,
      vaultUri,
      provisioningState: 'Succeeded',
    },
  }
}

function badRequest(message: string): Refusal {
  return new Refusal(400, 'BadRequest', message)
}
