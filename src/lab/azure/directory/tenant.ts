import { randomBytes, randomUUID } from 'node:crypto'
import type { RecordStore } from '../records/record-store.ts'

/** The one tenant of the lab, its one subscription, and the ready-made administrator. Made once, then kept. */
export interface Tenant {
  tenantId: string
  displayName: string
  /** The tenant's name in URLs, beside its id. */
  domain: string
  subscriptionId: string
  subscriptionName: string
  administrator: {
    clientId: string
    /** Kept in the clear, because the credentials file is written anew when somebody removes it. */
    clientSecret: string
    objectId: string
  }
}

/** The tenant in `store`, or a new one that is not yet kept: `isNew` tells, and `change` keeps it. */
export function openTenant(store: RecordStore) {
  const collection = store.collection<Tenant>('tenant')
  const known = collection.get('tenant')
  const tenant = known ?? createTenant()
  return { tenant, isNew: known === undefined, change: collection.put('tenant', tenant) }
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
