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

interface State extends ApplicationOptions {
  title: string
  /** Once it was found or created. */
  application?: ApplicationRecord
}

/** An application in Entra with its service principal, found by the ids or the name that the settings give. */
export function createApplicationPrincipal(options: ApplicationOptions): Principal {
  const { graph, settings } = options
  const { aadApplicationName: name = '', aadApplicationClientId, aadApplicationObjectId } = settings
  const title = `application ${JSON.stringify(name === '' ? (aadApplicationClientId ?? aadApplicationObjectId ?? '') : name)}`
  const state: State = { ...options, title }
  const application = once(() => existingApplication(state))
  return {
    title,
    async ensure() {
      const found = await findApplication(state)
      state.application = found ?? (await createApplication(state))
      const createdPrincipal = await ensureServicePrincipal(state, state.application, found === undefined)
      return { created: found === undefined || createdPrincipal }
    },
    clientId: async () => aadApplicationClientId ?? (await application()).appId,
    principalId: once(() => servicePrincipalId(state, application)),
    credentials: applicationCredentials(graph, async () => aadApplicationObjectId ?? (await application()).id),
    async delete() {
      const found = await findApplication(state)
      return found !== undefined && (await graph.delete(`/applications/${found.id}`))
    },
  }
}

async function existingApplication(state: State): Promise<ApplicationRecord> {
  const found = await findApplication(state)
  if (found === undefined) throw missing(state.title)
  return found
}

async function findApplication({ application, graph, settings }: State): Promise<ApplicationRecord | undefined> {
  const { aadApplicationName: name = '', aadApplicationClientId: clientId, aadApplicationObjectId: objectId } = settings
  if (application !== undefined) return application
  if (objectId !== undefined) return graph.find(`/applications/${objectId}`)
  const filter = clientId === undefined ? displayNameFilter(name) : `appId eq '${clientId}'`
  const found = await graph.list<ApplicationRecord>('/applications', { query: { $filter: filter } })
  if (found.length > 1) throw ambiguous(name, found)
  return found[0]
}

async function createApplication(state: State): Promise<ApplicationRecord> {
  const { graph, settings, signal } = state
  const { aadApplicationName: displayName = '' } = settings
  const record = await graph.post<ApplicationRecord>('/applications', { displayName }, { signal })
  await whilePropagating(state, () => graph.get(`/applications/${record.id}`, { signal }), 7)
  return record
}

async function ensureServicePrincipal(state: State, { appId }: ApplicationRecord, isNew: boolean): Promise<boolean> {
  const { graph, version, signal } = state
  const query = { $filter: `appId eq '${appId}'` }
  const found = isNew ? [] : await graph.list<ServicePrincipalRecord>('/servicePrincipals', { query })
  if (found.length > 0) return false
  const body = { appId, tags: [`keymount version: ${version}`] }
  await whilePropagating(state, () => graph.post('/servicePrincipals', body, { signal }), isNew ? 7 : 1)
  return true
}

/** What is new in the directory takes a few seconds to reach every part of it. */
function whilePropagating<T>({ clock, signal }: State, ask: () => Promise<T>, attempts: number): Promise<T> {
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

async function servicePrincipalId(
  { graph, settings, title }: State,
  application: () => Promise<ApplicationRecord>,
): Promise<string> {
  const { servicePrincipalObjectId: id, servicePrincipalName: name } = settings
  if (id !== undefined) return id
  const filter = name === undefined ? `appId eq '${(await application()).appId}'` : displayNameFilter(name)
  const [found] = await graph.list<ServicePrincipalRecord>('/servicePrincipals', { query: { $filter: filter } })
  if (found !== undefined) return found.id
  throw new CliError({
    what: `The service principal of ${title} does not exist`,
    fix: [`make it: az ad sp create --id ${(await application()).appId}`],
  })
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
