import { AzureRestError, type AzureService } from '#azure/rest'
import type { Clock } from '#lib'
import { retry } from '#lib/async'
import { CliError } from '#terminal'
import { applicationCredentials } from '../federated-credential.ts'
import { once } from '../once.ts'
import type { PhaseSettings } from './options.ts'
import type { Principal } from './principal.ts'

interface ApplicationRecord {
  /** Object id. */
  id: string
  appId: string
  displayName: string
}

interface ServicePrincipalRecord {
  id: string
}

export interface ApplicationOptions {
  graph: AzureService
  settings: PhaseSettings
  /** Goes into the service principal's tags. */
  version: string
  clock: Clock
  signal: AbortSignal
}

/** An application in Entra with its service principal, found by the ids or the name that the settings give. */
export function createApplicationPrincipal(options: ApplicationOptions): Principal {
  const { graph, settings, version, clock, signal } = options
  const { aadApplicationName: name = '', aadApplicationClientId, aadApplicationObjectId } = settings
  const known: { application?: ApplicationRecord } = {}

  async function find(): Promise<ApplicationRecord | undefined> {
    if (known.application !== undefined) return known.application
    if (aadApplicationObjectId !== undefined) return graph.find(`/applications/${aadApplicationObjectId}`)
    const filter =
      aadApplicationClientId === undefined ? displayNameFilter(name) : `appId eq '${aadApplicationClientId}'`
    const found = await graph.list<ApplicationRecord>('/applications', { query: { $filter: filter } })
    if (found.length > 1) throw ambiguous(name, found)
    return found[0]
  }

  const application = once(async () => {
    const found = await find()
    if (found === undefined) throw missing(title)
    return found
  })

  const servicePrincipalId = once(async () => {
    if (settings.servicePrincipalObjectId !== undefined) return settings.servicePrincipalObjectId
    const filter =
      settings.servicePrincipalName === undefined
        ? `appId eq '${(await application()).appId}'`
        : displayNameFilter(settings.servicePrincipalName)
    const [found] = await graph.list<ServicePrincipalRecord>('/servicePrincipals', { query: { $filter: filter } })
    if (found !== undefined) return found.id
    throw new CliError({
      what: `The service principal of ${title} does not exist`,
      fix: [`make it: az ad sp create --id ${(await application()).appId}`],
    })
  })

  async function createApplication(): Promise<ApplicationRecord> {
    const record = await graph.post<ApplicationRecord>('/applications', { displayName: name }, { signal })
    await whilePropagating(() => graph.get(`/applications/${record.id}`, { signal }), 7)
    return record
  }

  /** What is new in the directory takes a few seconds to reach every part of it. */
  function whilePropagating<T>(ask: () => Promise<T>, attempts: number): Promise<T> {
    return retry(ask, {
      attempts,
      initialMs: 5000,
      factor: 1,
      jitter: 0,
      clock,
      signal,
      shouldRetry: (error) => error instanceof AzureRestError && (error.status === 400 || error.status === 404),
    })
  }

  async function ensureServicePrincipal({ appId }: ApplicationRecord, isNew: boolean): Promise<boolean> {
    const query = { $filter: `appId eq '${appId}'` }
    const found = isNew ? [] : await graph.list<ServicePrincipalRecord>('/servicePrincipals', { query })
    if (found.length > 0) return false
    const body = { appId, tags: [`keymount version: ${version}`] }
    await whilePropagating(() => graph.post('/servicePrincipals', body, { signal }), isNew ? 7 : 1)
    return true
  }

  const title = `application ${JSON.stringify(name === '' ? (aadApplicationClientId ?? aadApplicationObjectId ?? '') : name)}`
  return {
    title,
    async ensure() {
      const found = await find()
      known.application = found ?? (await createApplication())
      const createdPrincipal = await ensureServicePrincipal(known.application, found === undefined)
      return { created: found === undefined || createdPrincipal }
    },
    clientId: async () => aadApplicationClientId ?? (await application()).appId,
    principalId: servicePrincipalId,
    credentials: applicationCredentials(graph, async () => aadApplicationObjectId ?? (await application()).id),
    async delete() {
      const found = await find()
      return found !== undefined && (await graph.delete(`/applications/${found.id}`))
    },
  }
}

/** OData: a quote inside of a text is doubled. */
export function displayNameFilter(name: string): string {
  return `displayName eq '${name.replaceAll("'", "''")}'`
}

function missing(title: string): CliError {
  return new CliError({
    what: `The ${title} does not exist`,
    fix: ['make it: keymount identity serviceaccount create phase aad-application', 'or name another one by its id'],
  })
}

/** Display names are not unique, and the wrong one must not be given rights, nor be deleted. */
function ambiguous(name: string, found: readonly ApplicationRecord[]): CliError {
  return new CliError({
    what: `${found.length} applications are called "${name}"`,
    fix: found.map(({ appId }) => `select one by its client ID: --aad-application-client-id ${appId}`),
  })
}
