import { chmodSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { replaceFile } from '#lib/files'
import type { AzureCredentials } from './lab-azure.ts'

const profileFile = 'azureProfile.json'

/** What az caches of one tenant. */
const cacheFiles = ['msal_token_cache.json', 'msal_http_cache.bin']

const profileSchema = z.object({ subscriptions: z.array(z.object({ tenantId: z.string() })) })

/**
 * Writes into `directory` (AZURE_CONFIG_DIR) what `az login` of az 2.91 writes with these credentials. A profile of the
 * lab's tenant is left as it is: its user may have signed in with another account.
 */
export function writeAzProfile(directory: string, credentials: AzureCredentials): void {
  if (hasTenant(directory, credentials.tenantId)) return
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  chmodSync(directory, 0o700)
  // Caches of a lab whose state was deleted: their tokens are for a tenant that no longer exists.
  for (const name of cacheFiles) rmSync(join(directory, name), { force: true })
  for (const [name, content] of Object.entries(profileFiles(credentials))) replaceFile(join(directory, name), content)
}

function hasTenant(directory: string, tenantId: string): boolean {
  try {
    // az begins its JSON with a byte order mark.
    const text = readFileSync(join(directory, profileFile), 'utf8').replace(/^\uFEFF/, '')
    return profileSchema.parse(JSON.parse(text)).subscriptions.some((each) => each.tenantId === tenantId)
  } catch {
    return false
  }
}

function profileFiles({ tenantId, subscriptionId, clientId, clientSecret }: AzureCredentials) {
  const subscription = {
    id: subscriptionId,
    name: 'Keymount Lab',
    state: 'Enabled',
    user: { name: clientId, type: 'servicePrincipal' },
    isDefault: true,
    tenantId,
    environmentName: 'AzureCloud',
    homeTenantId: tenantId,
    managedByTenants: [],
  }
  return {
    [profileFile]: JSON.stringify({ subscriptions: [subscription] }),
    'service_principal_entries.json': JSON.stringify([
      { client_id: clientId, tenant: tenantId, client_secret: clientSecret.revealText() },
    ]),
    'clouds.config': `[AzureCloud]\nsubscription = ${subscriptionId}\n`,
    config: '[cloud]\nname = AzureCloud\n\n[core]\ncollect_telemetry = no\n',
  }
}
