import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto'
import { z } from 'zod'
import { Refusal } from '../../http/refusal.ts'
import { attributesOf } from '../attributes.ts'
import { permissionsOn } from '../authorize.ts'
import { badParameter } from '../error-response.ts'
import type { ObjectKind } from '../object-kind.ts'
import { type VaultAnswer, type VaultCall, type VaultOperation, vaultOperation } from '../operation.ts'
import { bodyParser, commonFields } from '../validate.ts'
import type { Certificate, CertificateStores } from './certificate-kind.ts'
import type { PendingCertificate, PendingCertificates } from './pending-certificates.ts'
import { prepareCertificate } from './prepare-certificate.ts'

const needs = permissionsOn('certificates')

export interface PendingOptions {
  kind: ObjectKind<Certificate>
  stores: CertificateStores
  pending: PendingCertificates
}

const onPending = '/certificates/:name/pending'
const parseCancellation = bodyParser(z.object({ cancellation_requested: z.boolean() }))
const parseMerge = bodyParser(z.object({ ...commonFields, x5c: z.array(z.base64()).min(1) }))

/** The creation of a certificate while it is in progress. https://learn.microsoft.com/rest/api/keyvault/certificates/merge-certificate */
export function pendingOperations(options: PendingOptions): VaultOperation[] {
  return [
    vaultOperation('vault.certificate.getOperation', 'GET', onPending, needs('get', 'read'), (call) => ({
      body: renderPending(call, existing(options, call)),
    })),
    vaultOperation('vault.certificate.updateOperation', 'PATCH', onPending, needs('update', 'update/action'), (call) =>
      cancel(options, call),
    ),
    vaultOperation('vault.certificate.deleteOperation', 'DELETE', onPending, needs('update', 'update/action'), (call) =>
      remove(options, call),
    ),
    vaultOperation('vault.certificate.merge', 'POST', `${onPending}/merge`, needs('create', 'create/action'), (call) =>
      merge(options, call),
    ),
  ]
}

function existing({ pending, stores }: PendingOptions, { vault, name }: VaultCall): PendingCertificate {
  const found = pending.get(vault.uid, name)
  const isGone = found?.status === 'completed' && stores.certificates.get(vault.uid, name) === undefined
  if (found !== undefined && !isGone) return found
  throw new Refusal(404, 'PendingCertificateNotFound', `Pending certificate not found: ${name}`)
}

async function cancel(options: PendingOptions, call: VaultCall): Promise<VaultAnswer> {
  const { cancellation_requested: isRequested } = parseCancellation(await call.body())
  const before = existing(options, call)
  if (!isRequested || before.status !== 'inProgress') return { body: renderPending(call, before) }
  options.stores.certificates.commit([options.pending.put({ ...before, jwk: undefined, status: 'cancelled' })])
  // As in Azure, the response shows the state before the request; the next read shows the cancellation.
  return { body: { ...renderPending(call, before), cancellation_requested: true } }
}

function remove(options: PendingOptions, call: VaultCall): VaultAnswer {
  const before = existing(options, call)
  options.stores.certificates.commit([options.pending.remove(before)])
  return { body: renderPending(call, before) }
}

async function merge(options: PendingOptions, call: VaultCall): Promise<VaultAnswer> {
  const { kind, stores, pending } = options
  const { x5c, tags, attributes } = parseMerge(await call.body())
  const before = existing(options, call)
  if (before.jwk === undefined) {
    throw new Refusal(409, 'Conflict', `The certificate ${call.name} is not waiting to be merged.`)
  }
  const key = createPrivateKey({ key: before.jwk, format: 'jwk' })
  const prepared = await prepareCertificate(
    stores,
    { vault: call.vault.uid, name: call.name },
    {
      policy: before.policy,
      version: before.version,
      key,
      chain: chainFor(key, x5c),
      tags: tags ?? before.tags,
      enabled: attributes?.enabled ?? before.enabled,
    },
  )
  const completed = pending.put({ ...before, jwk: undefined, status: 'completed' })
  stores.certificates.commit([...prepared.changes, completed])
  return { status: 201, body: kind.bundle(call.url.origin, call.vault, prepared.version) }
}

/** The certificates, with the one of the key first. Throws {@link Refusal} when none belongs to the key. */
function chainFor(key: KeyObject, x5c: readonly string[]): Buffer[] {
  const chain = x5c.map((text) => Buffer.from(text, 'base64'))
  const leaf = chain.find((der) => readCertificate(der).checkPrivateKey(key))
  if (leaf !== undefined) return [leaf, ...chain.filter((der) => der !== leaf)]
  throw badParameter('Property x5c has invalid value: no certificate has the public key of the pending certificate.')
}

function readCertificate(der: Buffer): X509Certificate {
  try {
    return new X509Certificate(der)
  } catch {
    throw badParameter('Property x5c has invalid value: expected X.509 certificates, DER in base64.')
  }
}

/** Throws the {@link Refusal} of Key Vault to create a second certificate before the first is complete. */
export function refuseWhilePending(pending: PendingCertificates, { vault, name }: VaultCall): void {
  if (pending.get(vault.uid, name)?.status !== 'inProgress') return
  throw new Refusal(
    409,
    'Conflict',
    "A new key vault certificate can not be created or imported while a pending key vault certificate's status is inProgress.",
  )
}

const statusDetails = {
  inProgress: 'Pending certificate created. Certificate request is in progress.',
  waiting: 'Pending certificate created. Please Perform Merge to complete the request.',
}

export function renderPending({ url }: VaultCall, { name, policy, csr, status, requestId, jwk }: PendingCertificate) {
  const target = `${url.origin}/certificates/${name}`
  const details = jwk === undefined ? statusDetails.inProgress : statusDetails.waiting
  return {
    id: `${target}/pending`,
    issuer: { name: policy.issuer.name },
    csr,
    cancellation_requested: status === 'cancelled',
    status,
    status_details: status === 'inProgress' ? details : undefined,
    target: status === 'completed' ? target : undefined,
    request_id: requestId,
  }
}

/** A certificate that waits to be merged, as Key Vault shows it: without the fields that are not known yet. */
export function renderWaiting({ url, vault }: VaultCall, waiting: PendingCertificate) {
  const { name, version, policy, tags, created } = waiting
  const id = (plural: string) => `${url.origin}/${plural}/${name}/${version}`
  return {
    id: id('certificates'),
    kid: id('keys'),
    sid: id('secrets'),
    pending: { id: `${url.origin}/certificates/${name}/pending` },
    attributes: attributesOf(vault, { enabled: false, created, updated: created }),
    policy: { id: `${url.origin}/certificates/${name}/policy`, ...policy },
    tags,
  }
}
