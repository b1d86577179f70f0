import { replaceFile } from '#lib/files'
import type { Tenant } from './directory/tenant.ts'

/** The content of `credentials.json`: enough to sign in as the ready-made administrator. */
export interface AdministratorCredentials {
  tenantId: string
  subscriptionId: string
  clientId: string
  clientSecret: string
}

/** Writes the administrator's credentials to `path`, readable by its owner only. */
export function writeCredentialsFile(path: string, { tenantId, subscriptionId, administrator }: Tenant): void {
  const { clientId, clientSecret } = administrator
  const credentials: AdministratorCredentials = { tenantId, subscriptionId, clientId, clientSecret }
  replaceFile(path, `${JSON.stringify(credentials, null, 2)}\n`)
}
