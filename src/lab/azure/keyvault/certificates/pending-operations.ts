import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto'
import { z } from 'zod'
import { Refusal } from '../../http/refusal.ts'
import { attributesOf } from '../attributes.ts'
import type { Permission } from '../authorize.ts'
import { badParameter } from '../error-response.ts'
import type { ObjectKind } from '../object-kind.ts'
import type { VaultCall, VaultOperation } from '../operation.ts'
import { bodyParser, commonFields } from '../validate.ts'
import type { Certificate, CertificateStores } from './certificate-kind.ts'
import type { PendingCertificate, PendingCertificates } from './pending-certificates.ts'
import { prepareCertificate } from './prepare-certificate.ts'

export interface PendingOptions {
  kind: ObjectKind<Certificate>
  stores: CertificateStores
  pending: PendingCertificates
}

const onPending = '/certificates/:name/pending'
const parseCancellation = bodyParser(z.object({ cancellation_requested: z.boolean() }))
const parseMerge = bodyParser(z.object({ ...commonFields, x5c: z.array(z.base64()).min(1) }))

/** What goes on while a certificate is made. https://learn.microsoft.com/rest/api/keyvault/certificates/merge-certificate */
export function pendingOperations({ kind, stores, pending }: PendingOptions): VaultOperation[] {
  const { certificates } = stores

  function existing({ vault, name }: VaultCall): PendingCertificate {
    const found = pending.get(vault.uid, name)
    const isGone = found?.status === 'completed' && certificates.get(vault.uid, name) === undefined
    if (found !== undefined && !isGone) return found
    throw new Refusal(404, 'PendingCertificateNotFound', `Pending certificate not found: ${name}`)
  }

  return [
    {
      operation: 'vault.certificate.getOperation',
      method: 'GET',
      path: onPending,
      permission: needs('get', 'read'),
      run: (call) => ({ body: renderPending(call, existing(call)) }),
    },
    {
      operation: 'vault.certificate.updateOperation',
      method: 'PATCH',
      path: onPending,
      permission: needs('update', 'update/action'),
      async run(call) {
        const { cancellation_requested: wanted } = parseCancellation(await call.body())
        const before = existing(call)
        if (!wanted || before.status !== 'inProgress') return { body: renderPending(call, before) }
        certificates.commit([pending.put({ ...before, jwk: undefined, status: 'cancelled' })])
        // The answer is of the moment before: what was asked for shows at the next look.
        return { body: { ...renderPending(call, before), cancellation_requested: true } }
      },
    },
    {
      operation: 'vault.certificate.deleteOperation',
      method: 'DELETE',
      path: onPending,
      permission: needs('update', 'update/action'),
      run(call) {
        const before = existing(call)
        certificates.commit([pending.remove(before)])
        return { body: renderPending(call, before) }
      },
    },
    {
      operation: 'vault.certificate.merge',
      method: 'POST',
      path: `${onPending}/merge`,
      permission: needs('create', 'create/action'),
      async run(call) {
        const { x5c, tags, attributes } = parseMerge(await call.body())
        const before = existing(call)
        if (before.jwk === undefined) {
          throw new Refusal(409, 'Conflict', `The certificate ${call.name} is not waiting to be merged.`)
        }
        const key = createPrivateKey({ key: before.jwk, format: 'jwk' })
        const made = await prepareCertificate(
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
        certificates.commit([...made.changes, pending.put({ ...before, jwk: undefined, status: 'completed' })])
        return { status: 201, body: kind.bundle(call.url.origin, call.vault, made.version) }
      },
    },
  ]
}

/** Throws the {@link Refusal} with which Key Vault refuses to begin a second certificate before the first is done. */
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
  return {
    id: `${target}/pending`,
    issuer: { name: policy.issuer.name },
    csr,
    cancellation_requested: status === 'cancelled',
    status,
    ...(status === 'inProgress' && {
      status_details: jwk === undefined ? statusDetails.inProgress : statusDetails.waiting,
    }),
    ...(status === 'completed' && { target }),
    request_id: requestId,
  }
}

/** The certificate that waits, as Key Vault shows it: all but what is still to come. */
export function renderWaiting({ url, vault }: VaultCall, waiting: PendingCertificate) {
  const { name, version, policy, tags, created } = waiting
  const id = (plural: string) => `${url.origin}/${plural}/${name}/${version}`
  const times = { created, updated: created }
  return {
    id: id('certificates'),
    kid: id('keys'),
    sid: id('secrets'),
    pending: { id: `${url.origin}/certificates/${name}/pending` },
    attributes: attributesOf(vault, { enabled: false, ...times }),
    policy: { id: `${url.origin}/certificates/${name}/policy`, ...policy },
    ...(tags !== undefined && { tags }),
  }
}

/** The certificates with the one of the key first. Throws `Refusal` when the key has none. */
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

function needs(policy: string, action: string): Permission {
  return { kind: 'certificates', policy, dataAction: `certificates/${action}` }
}
