import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import type { Directory } from '../directory/directory.ts'
import {
  conflictOf,
  defaultFederationAudience,
  federatedCredentialFields,
  maxFederatedCredentials,
} from '../directory/federated-credential-rules.ts'
import type { FederatedCredential } from '../directory/federated-credentials.ts'
import { Refusal } from '../http/refusal.ts'
import type { RecordStore } from '../records/record-store.ts'
import { existingApplication } from './application-operations.ts'
import { alreadyInUse, resourceNotFound } from './error-response.ts'
import { filtered, type GraphAnswer, type GraphCall, type GraphOperation, graphOperation } from './operation.ts'

export interface ApplicationFederationOptions {
  store: RecordStore
  directory: Directory
}

const onApplication = '/v1.0/applications/:id/federatedIdentityCredentials'
const onCredential = `${onApplication}/:credential`
const context = "applications('{id}')/federatedIdentityCredentials"

/** Graph is less strict than Resource Manager: it accepts the padded base64 that azwi uses as names. */
const urlFriendlyName = /^[\w.~=-]{1,120}$/
const description = z.string().max(600).nullish()
const createBody = z.object({
  ...federatedCredentialFields,
  name: z.string().regex(urlFriendlyName, 'must be URL friendly, and have at most 120 characters'),
  description,
})
const updateBody = z.object({ ...federatedCredentialFields, description }).partial()

/** Federated credentials of applications. https://learn.microsoft.com/graph/api/resources/federatedidentitycredential */
export function applicationFederationOperations(options: ApplicationFederationOptions): GraphOperation[] {
  return [
    graphOperation('graph.federatedCredential.list', 'GET', onApplication, (call) => list(options, call)),
    graphOperation('graph.federatedCredential.create', 'POST', onApplication, (call) => create(options, call)),
    graphOperation('graph.federatedCredential.get', 'GET', onCredential, (call) => ({
      status: 200,
      context: `${context}/$entity`,
      body: render(existing(options, call)),
    })),
    graphOperation('graph.federatedCredential.update', 'PATCH', onCredential, (call) => update(options, call)),
    graphOperation('graph.federatedCredential.delete', 'DELETE', onCredential, (call) => {
      options.store.commit([options.directory.federatedCredentials.remove(existing(options, call))])
      return { status: 204 }
    }),
  ]
}

function list(options: ApplicationFederationOptions, call: GraphCall): GraphAnswer {
  const value = filtered(call.url, credentialsOf(options, call).map(render))
  return { status: 200, context, body: { value } }
}

function credentialsOf({ directory }: ApplicationFederationOptions, call: GraphCall): readonly FederatedCredential[] {
  return directory.federatedCredentials.of(existingApplication(directory, call).appId)
}

async function create(options: ApplicationFederationOptions, call: GraphCall): Promise<GraphAnswer> {
  const { appId } = existingApplication(options.directory, call)
  const given = await call.body(createBody)
  const others = options.directory.federatedCredentials.of(appId)
  if (others.some(({ name }) => name.toLowerCase() === given.name.toLowerCase())) {
    throw alreadyInUse(`FederatedIdentityCredential with name ${given.name} already exists.`)
  }
  const audiences = given.audiences ?? [defaultFederationAudience]
  const credential: FederatedCredential = { ...given, audiences, clientId: appId, id: randomUUID() }
  put(options, credential, others)
  return { status: 201, context: `${context}/$entity`, body: render(credential) }
}

async function update(options: ApplicationFederationOptions, call: GraphCall): Promise<GraphAnswer> {
  const before = existing(options, call)
  const given = Object.entries(await call.body(updateBody)).filter(([, value]) => value != null)
  const others = credentialsOf(options, call).filter((other) => other !== before)
  put(options, { ...before, ...Object.fromEntries(given) }, others)
  return { status: 204 }
}

/** The credential in the path, by its id or its name. */
function existing(options: ApplicationFederationOptions, call: GraphCall): FederatedCredential {
  const wanted = call.name('credential').toLowerCase()
  const found = credentialsOf(options, call).find(({ id, name }) => id === wanted || name.toLowerCase() === wanted)
  if (found === undefined) throw resourceNotFound(call.name('credential'))
  return found
}

function put(
  { store, directory }: ApplicationFederationOptions,
  credential: FederatedCredential,
  others: readonly FederatedCredential[],
): void {
  const conflict = conflictOf(credential, others)
  if (conflict === 'duplicate') {
    throw alreadyInUse('FederatedIdentityCredential with issuer and subject combination already exists.')
  }
  if (conflict === 'too many') {
    throw new Refusal(
      400,
      'Request_BadRequest',
      `Too many Federated Identity Credentials: an application may have at most ${maxFederatedCredentials}.`,
    )
  }
  store.commit([directory.federatedCredentials.put(credential)])
}

function render({ id, name, issuer, subject, description = null, audiences }: FederatedCredential) {
  return { id, name, issuer, subject, description, audiences }
}
