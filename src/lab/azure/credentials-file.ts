import { renameSync, writeFileSync } from 'node:fs'
import type { Tenant } from './directory/tenant.ts'

/** What `credentials.json` holds: enough to sign in as the ready-made administrator. */
export interface AdministratorCredentials {
  tenantId: string
  subscriptionId: string
  clientId: string
  clientSecret: string
}

/** Writes the administrator's credentials to `path`, readable by nobody else. */
export function writeCredentialsFile(path: string, { tenantId, subscriptionId, administrator }: Tenant): void {
  const { clientId, clientSecret } = administrator
  const credentials: AdministratorCredentials = { tenantId, subscriptionId, clientId, clientSecret }
  writeFileSync(`${path}.next`, `${JSON.stringify(credentials, null, 2)}\n`, { mode: 0o600 })
  renameSync(`${path}.next`, path)
}
