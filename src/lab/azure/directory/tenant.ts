import { randomBytes, randomUUID } from 'node:crypto'
import type { RecordStore } from '../records/record-store.ts'

/** The one tenant of the lab, its one subscription, and the ready-made administrator. Created once and stored. */
export interface Tenant {
  tenantId: string
  displayName: string
  /** Alternative to the tenant's id in URLs. */
  domain: string
  subscriptionId: string
  subscriptionName: string
  administrator: {
    clientId: string
    /** Stored in the clear, because the credentials file is written at every start. */
    clientSecret: string
    objectId: string
  }
}

/** The tenant in `store`, or a new one (`isNew`), which `change` stores. */
export function openTenant(store: RecordStore) {
  const collection = store.collection<Tenant>('tenant')
  const stored = collection.get('tenant')
  const tenant = stored ?? createTenant()
  return { tenant, isNew: stored === undefined, change: collection.put('tenant', tenant) }
}

function createTenant(): Tenant {
  return {
    tenantId: randomUUID(),
    displayName: 'Keymount Lab',
    domain: 'keymount.onmicrosoft.com',
    subscriptionId: randomUUID(),
    subscriptionName: 'Keymount Lab',
    administrator: {
      clientId: randomUUID(),
      clientSecret: `lab~${randomBytes(27).toString('base64url')}`,
      objectId: randomUUID(),
    },
  }
}
