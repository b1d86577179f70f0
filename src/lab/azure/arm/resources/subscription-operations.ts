import { isWithin, type RoleAssignments } from '../../access/role-assignments.ts'
import type { Tenant } from '../../directory/tenant.ts'
import { type ArmOperation, armOperation } from '../operation.ts'

/** Some regions, for clients that look a location up. */
const locations = [
  ['eastus', 'East US'],
  ['eastus2', 'East US 2'],
  ['westus', 'West US'],
  ['westus2', 'West US 2'],
  ['centralus', 'Central US'],
  ['northeurope', 'North Europe'],
  ['westeurope', 'West Europe'],
  ['uksouth', 'UK South'],
  ['germanywestcentral', 'Germany West Central'],
  ['swedencentral', 'Sweden Central'],
] as const

/** Tenants, subscriptions and their locations. https://learn.microsoft.com/rest/api/resources/subscriptions */
export function subscriptionOperations({ tenant, roles }: { tenant: Tenant; roles: RoleAssignments }): ArmOperation[] {
  return [
    armOperation('arm.tenant.list', 'GET', '/tenants', 'filtered', () => ({
      status: 200,
      body: { value: [renderTenant(tenant)] },
    })),
    {
      operation: 'arm.subscription.list',
      method: 'GET',
      path: '/subscriptions',
      action: 'filtered',
      run({ caller }) {
        const value = isVisible(tenant, roles, caller.oid) ? [renderSubscription(tenant)] : []
        return { status: 200, body: { value, count: { type: 'Total', value: value.length } } }
      },
    },
    armOperation(
      'arm.subscription.get',
      'GET',
      '/subscriptions/:subscription',
      'Microsoft.Resources/subscriptions/read',
      () => ({ status: 200, body: renderSubscription(tenant) }),
    ),
    armOperation(
      'arm.location.list',
      'GET',
      '/subscriptions/:subscription/locations',
      'Microsoft.Resources/subscriptions/locations/read',
      () => ({ status: 200, body: { value: renderLocations(tenant) } }),
    ),
  ]
}

/** A subscription is visible to principals that have any role in it. */
function isVisible(tenant: Tenant, roles: RoleAssignments, principalId: string): boolean {
  const id = idOf(tenant)
  return roles
    .ofPrincipal(principalId)
    .some(({ scope }) => isWithin(scope.toLowerCase(), id) || isWithin(id, scope.toLowerCase()))
}

function idOf({ subscriptionId }: Tenant): string {
  return `/subscriptions/${subscriptionId}`
}

function renderTenant({ tenantId, displayName, domain }: Tenant) {
  return {
    id: `/tenants/${tenantId}`,
    tenantId,
    countryCode: 'US',
    displayName,
    domains: [domain],
    tenantCategory: 'Home',
    defaultDomain: domain,
    tenantType: 'AAD',
  }
}

function renderSubscription(tenant: Tenant) {
  return {
    id: idOf(tenant),
    authorizationSource: 'RoleBased',
    managedByTenants: [],
    subscriptionId: tenant.subscriptionId,
    tenantId: tenant.tenantId,
    displayName: tenant.subscriptionName,
    state: 'Enabled',
    subscriptionPolicies: {
      locationPlacementId: 'Internal_2014-09-01',
      quotaId: 'Internal_2014-09-01',
      spendingLimit: 'Off',
    },
  }
}

function renderLocations(tenant: Tenant) {
  return locations.map(([name, displayName]) => ({
    id: `${idOf(tenant)}/locations/${name}`,
    name,
    type: 'Region',
    displayName,
    regionalDisplayName: displayName,
    metadata: { regionType: 'Physical', regionCategory: 'Recommended' },
  }))
}
