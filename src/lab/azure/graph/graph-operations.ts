import type { Clock } from '#lib'
import type { Directory } from '../directory/directory.ts'
import type { Tenant } from '../directory/tenant.ts'
import type { RecordStore } from '../records/record-store.ts'
import { applicationFederationOperations } from './application-federation-operations.ts'
import { applicationOperations } from './application-operations.ts'
import type { GraphOperation } from './operation.ts'
import { passwordOperations } from './password-operations.ts'
import { servicePrincipalOperations } from './service-principal-operations.ts'

export interface GraphOperationsOptions {
  store: RecordStore
  tenant: Tenant
  directory: Directory
  clock: Clock
}

/** Every operation of Microsoft Graph. */
export function graphOperations({ store, tenant, directory, clock }: GraphOperationsOptions): GraphOperation[] {
  return [
    ...applicationOperations({ store, directory, domain: tenant.domain }),
    ...applicationFederationOperations({ store, directory }),
    ...passwordOperations({
      store,
      clock,
      noun: 'application',
      find: directory.applicationById,
      put: directory.putApplication,
    }),
    ...servicePrincipalOperations({ store, tenantId: tenant.tenantId, directory }),
    ...passwordOperations({
      store,
      clock,
      noun: 'servicePrincipal',
      find: directory.servicePrincipal,
      put: directory.putPrincipal,
    }),
  ]
}
