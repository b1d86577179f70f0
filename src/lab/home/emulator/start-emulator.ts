import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Problems, type Running } from '#lib'
import { writeAzProfile } from '../azure/az-profile.ts'
import { createLabAzure, readCredentials } from '../azure/lab-azure.ts'
import type { Environment } from '../original-environment.ts'
import { clientVariables } from './client-variables.ts'
import { createVaultWithSecrets, type VaultSpec } from './vault-with-secrets.ts'

/** A local Azure of its own for one test run, in this process and in a directory that is removed with it. */
export interface Emulator extends Running {
  /** For clients; undefined removes a variable. */
  variables: Record<string, string | undefined>
}

export interface EmulatorOptions {
  vaults: readonly VaultSpec[]
  /** The user's environment. */
  env: Environment
  /** Refuses connections to other hosts, instead of forwarding them. */
  offline: boolean
}

/** Starts a local Azure with these vaults. Throws, and leaves nothing behind, when one of them cannot be created. */
export async function startEmulator({ vaults, env, offline }: EmulatorOptions): Promise<Emulator> {
  // Imported here: most commands of the CLI use this part, few of them a local Azure, which is as large as all the rest.
  const { readMachineProxy, startLocalAzure } = await import('#lab/azure')
  await using started = new AsyncDisposableStack()
  const directory = mkdtempSync(join(env.TMPDIR || tmpdir(), 'keymount-azure-'))
  started.defer(() => rmSync(directory, { recursive: true, force: true }))
  const problems = new Problems()
  const forwarding = offline ? undefined : { proxyFor: readMachineProxy(env, problems) }
  problems.throwIfAny('environment')
  const azure = await startLocalAzure({ stateDir: join(directory, 'state'), forwarding })
  started.defer(() => azure.stop())
  const credentials = readCredentials(azure.credentialsFile)
  // A shell with the variables of `keymount env` has the sign-in of another local Azure.
  const azureCli = join(directory, 'az')
  writeAzProfile(azureCli, credentials)
  const variables = clientVariables({
    azure,
    credentials,
    azureCli,
    vault: vaults[0]?.name,
    bundle: join(directory, 'ca-bundle.pem'),
    env,
  })
  await createVaults(azure, vaults)
  const running = started.move()
  return { variables, stop: () => running.disposeAsync() }
}

/** The part of a local Azure, in this process or another, that its clients need. */
export interface AzureEndpoint {
  proxyUrl: string
  caFile: string
  credentialsFile: string
}

/** Creates vaults through the public REST interface, as the administrator. */
export async function createVaults(azure: AzureEndpoint, vaults: readonly VaultSpec[]): Promise<void> {
  if (vaults.length === 0) return
  const client = createLabAzure({
    credentials: readCredentials(azure.credentialsFile),
    proxy: azure.proxyUrl,
    ca: readFileSync(azure.caFile, 'utf8'),
  })
  try {
    for (const vault of vaults) await createVaultWithSecrets(client, vault)
  } finally {
    client.stop()
  }
}
