import { chmodSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { replaceFile } from '#lib/files'
import type { AzureCredentials } from './lab-azure.ts'

const profileFile = 'azureProfile.json'

/** What az remembers of one tenant, and must forget with it. */
const cacheFiles = ['msal_token_cache.json', 'msal_http_cache.bin']

const profileSchema = z.object({ subscriptions: z.array(z.object({ tenantId: z.string() })) })

/**
 * Makes `directory` (AZURE_CONFIG_DIR) one in which somebody has typed `az login` with these credentials: the files that
 * az 2.91 writes then. A profile that knows the lab's tenant is left alone: its user may have signed in as somebody else.
 */
export function writeAzProfile(directory: string, credentials: AzureCredentials): void {
  if (knowsTenant(directory, credentials.tenantId)) return
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  chmodSync(directory, 0o700)
  // Of a lab whose state was deleted: its tokens are for a tenant that is gone.
  for (const name of cacheFiles) rmSync(join(directory, name), { force: true })
  for (const [name, content] of Object.entries(profileFiles(credentials))) replaceFile(join(directory, name), content)
}

function knowsTenant(directory: string, tenantId: string): boolean {
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
