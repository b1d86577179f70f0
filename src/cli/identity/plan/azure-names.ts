import type { AzureFacts } from './azure-there.ts'
import type { IdentityPlan } from './identity-plan.ts'

/** What a template has to know of resources that are there: the content of its variable file. Empty texts are for the user to fill in. */
export interface AzureNames {
  /** By client id. */
  identities: Readonly<Record<string, { name: string; group: string }>>
  /** Resource groups by the name of a vault. */
  vaults: Readonly<Record<string, string>>
}

export function azureNames(plans: readonly IdentityPlan[], facts: AzureFacts | undefined): AzureNames {
  const vaults = [
    ...new Set(plans.flatMap(({ parts }) => parts.flatMap(({ grants }) => grants.map(({ vault }) => vault)))),
  ]
  const groupOf = (id = '') => id.split('/')[4] ?? ''
  return {
    identities: Object.fromEntries(
      plans.map(({ clientId }) => {
        const found = facts?.managedIdentity(clientId)
        return [clientId, { name: found?.name ?? '', group: groupOf(found?.resourceId) }]
      }),
    ),
    vaults: Object.fromEntries(vaults.toSorted().map((name) => [name, groupOf(facts?.vaultId(name))])),
  }
}

/** What a template of Bicep or Terraform cannot do, for the user. */
export function templateLimits(plans: readonly IdentityPlan[], facts: AzureFacts | undefined): string[] {
  if (facts === undefined)
    return ['the names in the variable file are empty: fill them in, or run it again with --azure']
  const { vaults } = azureNames(plans, facts)
  return [
    ...plans
      .filter(({ clientId }) => facts.managedIdentity(clientId) === undefined)
      .map(({ clientId }) => `${clientId} is not a managed identity: only --format az has its commands`),
    ...Object.keys(vaults)
      .filter((name) => facts.hasPolicies(name))
      .map((name) => `vault ${name} has access policies, which roles do not change: only --format az has its commands`),
  ]
}
