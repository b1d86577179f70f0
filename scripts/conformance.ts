// Compares the local Azure with what Azure is known to answer, and on request Azure itself with both.
// `npm run conformance` runs the cases against the local Azure: CI does. `npm run conformance -- --azure --subscription ID` runs
// them against that subscription too, with the sign-in of az, in a resource group of its own that is removed at the end, also
// after Ctrl-C, and prints the differences as a table. After `--`, `--location NAME` (default westeurope).
import { parseArgs } from 'node:util'
import { errorMessage } from '#lib'
import {
  type Account,
  azAccount,
  clientsOf,
  type Environment,
  openAzure,
  openLocal,
} from './conformance/environment.ts'
import { collectFacts, differs, type Fact, tableOfDifferences } from './conformance/facts.ts'
import type { Fence } from './conformance/guard.ts'
import { createGroup, leftovers, namesOfRun, removeGroup } from './conformance/run-group.ts'

const { values: flags } = parseArgs({
  options: {
    azure: { type: 'boolean', default: false },
    subscription: { type: 'string' },
    location: { type: 'string', default: 'westeurope' },
  },
})

/** Requests of the cases, and of removing what they made. */
const maxRequests = { cases: 400, removal: 600 }
const maxMinutes = 20

const interrupted = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    if (interrupted.signal.aborted) return
    print('\nInterrupted. Removing what this run has made; this takes up to some minutes.')
    interrupted.abort(new Error('interrupted'))
  })
}

process.exitCode = await main().catch((error: unknown) => {
  print(`conformance: ${errorMessage(error)}`)
  return interrupted.signal.aborted ? 130 : 1
})

async function main(): Promise<number> {
  await using stack = new AsyncDisposableStack()
  const account = flags.azure ? await azAccount() : undefined
  if (account !== undefined && !isConfirmed(account)) return 2
  const local = await run(await openLocal(stack))
  const azure = account === undefined ? undefined : await run(await openAzure(account, stack))
  return report(local, azure)
}

/** The caller has to name the subscription that az has selected: nothing is made in one by accident. */
function isConfirmed({ id, name, user }: Account): boolean {
  if (flags.subscription === id) return true
  const found = flags.subscription === undefined ? 'none was named' : `${flags.subscription} was named`
  print(
    [
      `conformance: the subscription has to be confirmed, and ${found}.`,
      `  az is signed in as ${user.name}, in "${name}" (${id}).`,
      '  The run makes one resource group there with one standard vault, two managed identities and one role assignment,',
      `  sends at most ${maxRequests.cases} requests to it (less than 0.01 USD), and removes all of it.`,
      '  To run it there:',
      `    npm run conformance -- --azure --subscription ${id}`,
      '  For another one: az account set --subscription ID',
    ].join('\n'),
  )
  return false
}

/** Runs the cases in a group of their own, and removes it whatever happens. */
async function run(environment: Environment): Promise<Fact[]> {
  const now = new Date()
  const { subscriptionId, name: where } = environment
  const names = namesOfRun(now)
  const fence: Fence = { subscriptionId, groups: new Set(), vaults: new Set(), requests: maxRequests.cases }
  const removal: Fence = { ...fence, requests: maxRequests.removal }
  await sweep(environment, removal, now)
  for (const each of [fence, removal]) {
    each.groups.add(names.group)
    each.vaults.add(names.vault)
  }
  const signal = AbortSignal.any([interrupted.signal, AbortSignal.timeout(maxMinutes * 60_000)])
  try {
    return await runIn(environment, { names, fence, signal, now })
  } finally {
    await remove(environment, names.group, removal)
    if (where === 'azure') print(`Removed ${names.group} and its vault.`)
  }
}

interface Run {
  names: { group: string; vault: string }
  fence: Fence
  signal: AbortSignal
  now: Date
}

async function runIn(environment: Environment, { names, fence, signal, now }: Run): Promise<Fact[]> {
  const { subscriptionId, tenantId, objectId } = environment
  const { arm, vault, send } = clientsOf(environment, fence, signal)
  const { location } = flags
  if (environment.name === 'azure') print(`Working in resource group ${names.group} of ${subscriptionId}.`)
  await createGroup(arm, { subscriptionId, group: names.group, location, now })
  const group = `/subscriptions/${subscriptionId}/resourceGroups/${names.group}`
  const all = { keys: ['all', 'purge'], secrets: ['all', 'purge'], certificates: ['all', 'purge'] }
  await arm.put(
    `${group}/providers/Microsoft.KeyVault/vaults/${names.vault}`,
    {
      location,
      properties: {
        tenantId,
        sku: { family: 'A', name: 'standard' },
        // Takes effect at once; a role takes minutes.
        enableRbacAuthorization: false,
        accessPolicies: [{ tenantId, objectId, permissions: all }],
      },
    },
    { apiVersion: '2023-07-01' },
  )
  const setting = { arm, send, vault: vault(names.vault), vaultName: names.vault, tenantId, group, location }
  return collectFacts(setting, signal)
}

/** Removes what earlier runs could not. */
async function sweep(environment: Environment, fence: Fence, now: Date): Promise<void> {
  const { arm } = clientsOf(environment, fence)
  for (const group of await leftovers(arm, environment.subscriptionId, now)) {
    interrupted.signal.throwIfAborted()
    print(`Removing ${group}, which an earlier run has left.`)
    fence.groups.add(group)
    await remove(environment, group, fence)
  }
}

/** Not ended by an interrupt: it is what an interrupt leads to. */
async function remove(environment: Environment, group: string, fence: Fence): Promise<void> {
  try {
    await removeGroup(clientsOf(environment, fence).arm, group, fence)
  } catch (error) {
    throw new Error(
      `${group} could not be removed (${errorMessage(error)}). Remove it: az group delete --yes --subscription ${fence.subscriptionId} --name ${group}`,
      { cause: error },
    )
  }
}

function report(local: readonly Fact[], azure: readonly Fact[] | undefined): number {
  const table = tableOfDifferences({ local, azure })
  if (table !== '') console.log(table)
  for (const [name, facts] of Object.entries({ 'local Azure': local, Azure: azure })) {
    if (facts === undefined) continue
    const wrong = facts.filter(differs).length
    console.log(`${name}: ${facts.length - wrong} of ${facts.length} facts as expected`)
  }
  return table === '' ? 0 : 1
}

function print(text: string): void {
  process.stderr.write(`${text}\n`)
}
