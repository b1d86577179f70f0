import type { SecretProviderClass } from '#kubernetes/client'
import { forEachLimited } from '#lib/async'
import { commandLine } from '#terminal'
import { attempt } from '../answer.ts'
import { patchObjectType, patchParameters } from '../cluster/class-commands.ts'
import type { AzureSession } from '../identity/azure-session.ts'
import { issuerOf } from '../identity/doctor/sign-in.ts'
import { managedIdentityCredentials } from '../identity/federated-credential.ts'
import { identityAnnotations } from '../identity/identity-keys.ts'
import { subjectOf } from '../identity/names.ts'
import { typesNamed } from './azure-facts.ts'
import type { Gathering, PodFacts } from './pod-facts.ts'
import type { Observation, Observed, StepId } from './step.ts'
import { wantedObjects } from './wanted-objects.ts'

/**
 * Puts before the fixes of some findings the one command that repairs it, where Azure shows what was meant: the tenant, the
 * vault with a similar name, the identity that already trusts the service account.
 */
export async function withExactFixes(
  observed: Observed,
  facts: PodFacts,
  { azure, kube }: Pick<Gathering, 'kube'> & { azure: AzureSession },
): Promise<Observed> {
  const result: Observed = { ...observed }
  for (const step of Object.keys(observed) as StepId[]) {
    const observations = observed[step] ?? []
    result[step] = await Promise.all(
      observations.map(async (one) => {
        const exact = one.state === 'fail' ? await exactFix(one, facts, { azure, kube }) : undefined
        return exact === undefined ? one : { ...one, fix: [exact, ...(one.fix ?? [])] }
      }),
    )
  }
  return result
}

type Tools = Pick<Gathering, 'kube'> & { azure: AzureSession }

async function exactFix({ code, text }: Observation, facts: PodFacts, tools: Tools): Promise<string | undefined> {
  switch (code) {
    case 'entra-tenant-not-found': {
      const tenant = await attempt(() => tools.azure.tenantId())
      return 'why' in tenant ? undefined : changeClass(facts, 'tenantID', text, tenant.value)
    }
    case 'vault-missing': {
      const [, near] = /\(did you mean ([-A-Za-z0-9]+)\?\)/.exec(text) ?? []
      return near === undefined ? undefined : changeClass(facts, 'keyvaultName', text, near)
    }
    case 'entra-app-not-found': {
      const clientId = await trustedIdentity(facts, tools)
      return clientId === undefined ? undefined : changeClass(facts, 'clientID', text, clientId)
    }
    case 'client-id-missing': {
      const clientId = await trustedIdentity(facts, tools)
      return clientId === undefined ? undefined : annotate(facts, clientId)
    }
    case 'vault-forbidden':
    case 'vault-object-missing':
      return otherType(facts, text, tools.azure)
    default:
      return undefined
  }
}

/** Where the vault has the object that the finding is about under one other type only, the class names the wrong type. */
async function otherType(facts: PodFacts, text: string, azure: AzureSession): Promise<string | undefined> {
  const named = wantedObjects(facts).find(({ object, vaultName }) => isNamedIn(text, object.name, vaultName))
  const object = named && classesOf(facts).find(({ metadata }) => metadata.name === named.className)
  if (named === undefined || object === undefined) return undefined
  const { type, name } = named.object
  const types = await typesNamed(azure, named.vaultName, name)
  const [only] = types
  if (only === undefined || types.length > 1 || only === type) return undefined
  return patchObjectType(object, name, only)
}

function isNamedIn(text: string, ...words: readonly string[]): boolean {
  const found = new Set(text.toLowerCase().split(/[^\w-]+/))
  return words.every((word) => found.has(word.toLowerCase()))
}

/** Of the class whose value the finding is about; undefined if the value comes from elsewhere. */
function changeClass({ cluster }: PodFacts, parameter: string, text: string, wanted: string): string | undefined {
  const having = classesOf({ cluster }).filter(({ spec }) => spec?.parameters?.[parameter] !== undefined)
  const named = having.find(({ spec }) => text.includes(spec?.parameters?.[parameter] ?? ''))
  const object = named ?? (having.length === 1 ? having[0] : undefined)
  return object === undefined ? undefined : patchParameters(object, { [parameter]: wanted })
}

function classesOf({ cluster }: Pick<PodFacts, 'cluster'>): SecretProviderClass[] {
  return cluster.classes.flatMap(({ class: found }) =>
    'value' in found && found.value !== undefined ? [found.value] : [],
  )
}

function annotate({ cluster: { accountRef } }: PodFacts, clientId: string): string {
  const words = ['kubectl', 'annotate', 'serviceaccount', accountRef.name, '--namespace', accountRef.namespace]
  return commandLine(...words, '--overwrite', `${identityAnnotations.clientId}=${clientId}`)
}

/** A subscription may have thousands: this many are asked for their federated credentials. */
const maxIdentities = 100

interface ManagedIdentity {
  id: string
  properties: { clientId: string }
}

/** The client id of the one managed identity of the subscription that trusts the pod's service account. */
async function trustedIdentity(
  { cluster: { accountRef } }: PodFacts,
  { azure, kube }: Tools,
): Promise<string | undefined> {
  const { resourceManager, subscriptionId } = azure
  const path = () => `/subscriptions/${subscriptionId()}/providers/Microsoft.ManagedIdentity/userAssignedIdentities`
  const [issuer, all] = await Promise.all([
    issuerOf(kube),
    attempt(() => resourceManager.list<ManagedIdentity>(path(), { apiVersion: '2023-01-31' })),
  ])
  if ('why' in issuer || 'why' in all) return undefined
  const subject = subjectOf(accountRef)
  const found: string[] = []
  await forEachLimited(all.value.slice(0, maxIdentities), 8, async ({ id, properties }) => {
    const credentials = await attempt(() => managedIdentityCredentials(resourceManager, id).list())
    const isTrusting = (one: { issuer: string; subject: string }) =>
      one.issuer === issuer.value && one.subject === subject
    if ('value' in credentials && credentials.value.some(isTrusting)) found.push(properties.clientId)
  })
  return found.length === 1 ? found[0] : undefined
}
