import { once } from 'node:events'
import {
  chosenHome,
  createVaults,
  type EmulatorOptions,
  findLocalAzure,
  runCommand,
  signalOfParent,
  startEmulator,
  type VaultSpec,
  vaultUrlOf,
} from '#lab/home'
import { CliError, type CliWorld, countOf, createTerminal, exitCodes } from '#terminal'

export interface AzureExecCommand {
  vaults: readonly string[]
  secrets: readonly string[]
  offline: boolean
  /** Program and arguments. */
  command: readonly string[]
  world: CliWorld
}

/** `keymount azure exec`: runs a command with a local Azure of its own, and returns its exit status. */
export async function azureExec({ vaults, secrets, offline, command, world }: AzureExecCommand): Promise<number> {
  await using emulator = await disposable({ vaults: vaultSpecs(vaults, secrets), env: world.env, offline })
  const signal = AbortSignal.any([world.signal, signalOfParent()])
  return await runCommand({ command, env: { ...world.env, ...emulator.variables }, signal })
}

export interface AzureServeCommand {
  vaults: readonly string[]
  secrets: readonly string[]
  offline: boolean
  world: CliWorld
}

/** `keymount azure serve`: prints the variables of a local Azure of its own, and stops it at the end of standard input. */
export async function azureServe({ vaults, secrets, offline, world }: AzureServeCommand): Promise<number> {
  await using emulator = await disposable({ vaults: vaultSpecs(vaults, secrets), env: world.env, offline })
  const set = Object.entries(emulator.variables).filter(([, value]) => value !== undefined)
  world.stdout.write(`${JSON.stringify(Object.fromEntries(set))}\n`)
  const signal = AbortSignal.any([world.signal, signalOfParent()])
  await Promise.race([endOfInput(), once(signal, 'abort')])
  return exitCodes.ok
}

async function endOfInput(): Promise<void> {
  process.stdin.resume()
  await Promise.race([once(process.stdin, 'end'), once(process.stdin, 'close')])
}

export interface AzureVaultCreateCommand {
  /** `--home`. */
  home: string | undefined
  name: string
  secrets: readonly string[]
  json: boolean
  world: CliWorld
}

/** `keymount azure vault create`: a vault of the running lab, with a role for its administrator, and secrets. */
export async function azureVaultCreate({
  home: named,
  name,
  secrets,
  json,
  world,
}: AzureVaultCreateCommand): Promise<number> {
  const home = chosenHome(world, named)
  const azure = findLocalAzure(home)
  if (azure === undefined) {
    throw new CliError({
      what: `No local Azure is running in ${home.root}`,
      fix: [`start it: keymount up${home.option}`, 'or use one for a single command: keymount azure exec -- COMMAND'],
      code: 'notUp',
    })
  }
  const [vault] = vaultSpecs([name], secrets)
  const endpoint = { proxyUrl: azure.proxy, caFile: azure.ca, credentialsFile: azure.credentials }
  await createVaults(endpoint, vault === undefined ? [] : [vault])
  const names = Object.keys(vault?.secrets ?? {})
  const result = { name, url: vaultUrlOf(name), secrets: names }
  const text = json ? JSON.stringify(result, null, 2) : `${result.url} has ${countOf(names.length, 'secret')}.`
  createTerminal(world).line(text)
  return exitCodes.ok
}

async function disposable(options: EmulatorOptions) {
  const emulator = await startEmulator(options)
  return { variables: emulator.variables, [Symbol.asyncDispose]: () => emulator.stop() }
}

/** Key Vault's own rule, so that nothing is started for a name that it refuses. */
function checkVaultName(name: string): void {
  if (/^[a-z](?:-?[a-z0-9]){2,23}$/i.test(name) && name.length <= 24) return
  throw new CliError({
    what: `There can be no vault "${name}"`,
    why: 'a name has 3 to 24 letters, digits and single dashes, begins with a letter and does not end with a dash',
    code: 'usage',
  })
}

/** Secrets belong to the first vault, or to the one before a slash: `--secret other/name=value`. */
function vaultSpecs(names: readonly string[], secrets: readonly string[]): VaultSpec[] {
  const all = names.length === 0 && secrets.length > 0 ? ['test'] : names
  for (const name of all) checkVaultName(name)
  const specs = all.map((name) => ({ name, secrets: {} as Record<string, string> }))
  for (const text of secrets) {
    const [, vault = all[0], name = '', value = ''] = /^(?:([^/=]+)\/)?([^/=]+)=([\s\S]*)$/.exec(text) ?? []
    const spec = specs.find((one) => one.name === vault)
    if (spec === undefined || name === '') {
      // The text is not quoted: it may hold the value.
      throw new CliError({
        what: 'A --secret cannot be read',
        fix: ['give it as NAME=VALUE, or as VAULT/NAME=VALUE with the name of a --vault'],
        code: 'usage',
      })
    }
    spec.secrets[name] = value
  }
  return specs
}
