import type { RoleAssignments } from '../../access/role-assignments.ts'
import { isWithin } from '../../access/role-assignments.ts'
import type { Tenant } from '../../directory/tenant.ts'
import type { ArmOperation } from '../operation.ts'

/** A few regions, so that clients that look a location up find it. */
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
  const id = `/subscriptions/${tenant.subscriptionId}`
  const subscription = {
    id,
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

  /** A subscription is seen by whoever has any role in it. */
  function sees(principalId: string): boolean {
    return roles
      .ofPrincipal(principalId)
      .some(({ scope }) => isWithin(scope.toLowerCase(), id) || isWithin(id, scope.toLowerCase()))
  }

  return [
    {
      operation: 'arm.tenant.list',
      method: 'GET',
      path: '/tenants',
      action: 'filtered',
      run: () => ({
        status: 200,
        body: {
          value: [
            {
              id: `/tenants/${tenant.tenantId}`,
              tenantId: tenant.tenantId,
              countryCode: 'US',
              displayName: tenant.displayName,
              domains: [tenant.domain],
              tenantCategory: 'Home',
              defaultDomain: tenant.domain,
              tenantType: 'AAD',
            },
          ],
        },
      }),
    },
    {
      operation: 'arm.subscription.list',
      method: 'GET',
      path: '/subscriptions',
      action: 'filtered',
      run: ({ caller }) => ({
        status: 200,
        body: {
          value: sees(caller.oid) ? [subscription] : [],
          count: { type: 'Total', value: sees(caller.oid) ? 1 : 0 },
        },
      }),
    },
    {
      operation: 'arm.subscription.get',
      method: 'GET',
      path: '/subscriptions/:subscription',
      action: 'Microsoft.Resources/subscriptions/read',
      run: () => ({ status: 200, body: subscription }),
    },
    {
      operation: 'arm.location.list',
      method: 'GET',
      path: '/subscriptions/:subscription/locations',
      action: 'Microsoft.Resources/subscriptions/locations/read',
      run: () => ({
        status: 200,
        body: {
          value: locations.map(([name, displayName]) => ({
            id: `${id}/locations/${name}`,
            name,
            type: 'Region',
            displayName,
            regionalDisplayName: displayName,
            metadata: { regionType: 'Physical', regionCategory: 'Recommended' },
          })),
        },
      }),
    },
  ]
}
