import { z } from 'zod'
import {
  conflictOf,
  defaultFederationAudience,
  federatedCredentialFields,
  federatedCredentialName,
  maxFederatedCredentials,
} from '../../directory/federated-credential-rules.ts'
import type { FederatedCredential, FederatedCredentials } from '../../directory/federated-credentials.ts'
import { Refusal } from '../../http/refusal.ts'
import type { RecordStore } from '../../records/record-store.ts'
import { type ArmAnswer, type ArmCall, type ArmOperation, armOperation } from '../operation.ts'
import { type Identities, type Identity, identityType } from './identities.ts'
import { existingIdentity, onIdentity } from './identity-operations.ts'

export interface FederatedCredentialOptions {
  store: RecordStore
  identities: Identities
  federatedCredentials: FederatedCredentials
}

const type = `${identityType}/federatedIdentityCredentials`
const onCredential = `${onIdentity}/federatedidentitycredentials/:credential`
const putBody = z.object({ properties: z.object(federatedCredentialFields) })

/** Federated credentials of managed identities. https://learn.microsoft.com/rest/api/managedidentity/federated-identity-credentials */
export function federatedCredentialOperations(options: FederatedCredentialOptions): ArmOperation[] {
  return [
    armOperation('arm.federatedCredential.put', 'PUT', onCredential, `${type}/write`, (call) => put(options, call)),
    armOperation('arm.federatedCredential.get', 'GET', onCredential, `${type}/read`, (call) => get(options, call)),
    armOperation(
      'arm.federatedCredential.list',
      'GET',
      `${onIdentity}/federatedidentitycredentials`,
      `${type}/read`,
      (call) => list(options, call),
    ),
    armOperation('arm.federatedCredential.delete', 'DELETE', onCredential, `${type}/delete`, (call) =>
      remove(options, call),
    ),
  ]
}

async function put(options: FederatedCredentialOptions, call: ArmCall): Promise<ArmAnswer> {
  const { store, federatedCredentials } = options
  const name = call.name('credential')
  checkName(name)
  const { issuer, subject, audiences } = (await call.body(putBody)).properties
  const { identity, credential: before } = find(options, call)
  const others = federatedCredentials.of(identity.clientId).filter((other) => other !== before)
  refuseConflict({ issuer, subject }, others)
  const credential: FederatedCredential = {
    clientId: identity.clientId,
    name: before?.name ?? name,
    issuer,
    subject,
    audiences: audiences ?? [defaultFederationAudience],
  }
  store.commit([federatedCredentials.put(credential)])
  return { status: before === undefined ? 201 : 200, body: render(identity, credential) }
}

function checkName(name: string): void {
  if (federatedCredentialName.test(name)) return
  throw new Refusal(
    400,
    'BadRequest',
    `The federated identity credential name '${name}' is invalid: it must have 3 to 120 letters, digits, hyphens and underscores, and begin with a letter or digit.`,
  )
}

function find({ identities, federatedCredentials }: FederatedCredentialOptions, call: ArmCall) {
  const identity = existingIdentity(identities, call)
  return { identity, credential: federatedCredentials.get(identity.clientId, call.name('credential')) }
}

function refuseConflict(wanted: Parameters<typeof conflictOf>[0], others: readonly FederatedCredential[]): void {
  const conflict = conflictOf(wanted, others)
  if (conflict === 'duplicate') {
    throw new Refusal(409, 'Conflict', 'Issuer and subject combination already exists for this Managed Identity.')
  }
  if (conflict === 'too many') {
    throw new Refusal(
      400,
      'BadRequest',
      `Too many Federated Identity Credentials: a managed identity may have at most ${maxFederatedCredentials}.`,
    )
  }
}

function get(options: FederatedCredentialOptions, call: ArmCall): ArmAnswer {
  const { identity, credential } = find(options, call)
  if (credential !== undefined) return { status: 200, body: render(identity, credential) }
  throw new Refusal(
    404,
    'NotFound',
    `The federated identity credential '${call.name('credential')}' was not found in the identity '${identity.name}'.`,
  )
}

function list({ identities, federatedCredentials }: FederatedCredentialOptions, call: ArmCall): ArmAnswer {
  const identity = existingIdentity(identities, call)
  const value = federatedCredentials.of(identity.clientId).map((credential) => render(identity, credential))
  return { status: 200, body: { value } }
}

function remove(options: FederatedCredentialOptions, call: ArmCall): ArmAnswer {
  const { credential } = find(options, call)
  if (credential === undefined) return { status: 204 }
  options.store.commit([options.federatedCredentials.remove(credential)])
  return { status: 200 }
}

function render(identity: Identity, { name, issuer, subject, audiences }: FederatedCredential) {
  return {
    id: `${identity.id}/federatedIdentityCredentials/${name}`,
    name,
    type,
    properties: { issuer, subject, audiences },
  }
}
