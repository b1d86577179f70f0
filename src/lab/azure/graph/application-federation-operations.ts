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
import { filtered, type GraphCall, type GraphOperation } from './operation.ts'

const onApplication = '/v1.0/applications/:id/federatedIdentityCredentials'
const onCredential = `${onApplication}/:credential`
const context = "applications('{id}')/federatedIdentityCredentials"

/** Graph is not as strict as Resource Manager: it takes the base64 with padding that azwi makes names of. */
const urlFriendlyName = /^[\w.~=-]{1,120}$/
const description = z.string().max(600).nullish()
const createBody = z.object({
  ...federatedCredentialFields,
  name: z.string().regex(urlFriendlyName, 'must be URL friendly, and have at most 120 characters'),
  description,
})
const updateBody = z.object({ ...federatedCredentialFields, description }).partial()

/** Federated credentials of applications. https://learn.microsoft.com/graph/api/resources/federatedidentitycredential */
export function applicationFederationOperations(options: {
  store: RecordStore
  directory: Directory
}): GraphOperation[] {
  const { store, directory } = options
  const { federatedCredentials } = directory
  const ofCall = (call: GraphCall) => federatedCredentials.of(existingApplication(directory, call).appId)

  /** The credential that the path names, by its id or its name. */
  function existing(call: GraphCall): FederatedCredential {
    const wanted = call.name('credential').toLowerCase()
    const found = ofCall(call).find(({ id, name }) => id === wanted || name.toLowerCase() === wanted)
    if (found === undefined) throw resourceNotFound(call.name('credential'))
    return found
  }

  function keep(credential: FederatedCredential, others: readonly FederatedCredential[]): void {
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
    store.commit([federatedCredentials.put(credential)])
  }

  return [
    {
      operation: 'graph.federatedCredential.list',
      method: 'GET',
      path: onApplication,
      run: (call) => ({ status: 200, context, body: { value: filtered(call.url, ofCall(call).map(render)) } }),
    },
    {
      operation: 'graph.federatedCredential.create',
      method: 'POST',
      path: onApplication,
      async run(call) {
        const { appId } = existingApplication(directory, call)
        const given = await call.body(createBody)
        const others = federatedCredentials.of(appId)
        if (others.some(({ name }) => name.toLowerCase() === given.name.toLowerCase())) {
          throw alreadyInUse(`FederatedIdentityCredential with name ${given.name} already exists.`)
        }
        const audiences = given.audiences ?? [defaultFederationAudience]
        const credential: FederatedCredential = { ...given, audiences, clientId: appId, id: randomUUID() }
        keep(credential, others)
        return { status: 201, context: `${context}/$entity`, body: render(credential) }
      },
    },
    {
      operation: 'graph.federatedCredential.get',
      method: 'GET',
      path: onCredential,
      run: (call) => ({ status: 200, context: `${context}/$entity`, body: render(existing(call)) }),
    },
    {
      operation: 'graph.federatedCredential.update',
      method: 'PATCH',
      path: onCredential,
      async run(call) {
        const before = existing(call)
        const given = Object.entries(await call.body(updateBody)).filter(([, value]) => value != null)
        const others = ofCall(call).filter((other) => other !== before)
        keep({ ...before, ...Object.fromEntries(given) }, others)
        return { status: 204 }
      },
    },
    {
      operation: 'graph.federatedCredential.delete',
      method: 'DELETE',
      path: onCredential,
      run(call) {
        store.commit([federatedCredentials.remove(existing(call))])
        return { status: 204 }
      },
    },
  ]
}

function render({ id, name, issuer, subject, description = null, audiences }: FederatedCredential) {
  return { id, name, issuer, subject, description, audiences }
}
