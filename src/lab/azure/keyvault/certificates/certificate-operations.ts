import { type KeyObject, X509Certificate } from 'node:crypto'
import { z } from 'zod'
import type { Change } from '../../records/record-store.ts'
import type { Permission } from '../authorize.ts'
import type { BackupSeal } from '../backup-seal.ts'
import { badParameter } from '../error-response.ts'
import { jwkOf } from '../keys/make-key.ts'
import { lifecycleOperations } from '../lifecycle-operations.ts'
import { latestOf, livingObject, type ObjectKind, versionOf } from '../object-kind.ts'
import type { ObjectStore, ObjectVersion } from '../object-store.ts'
import type { VaultCall, VaultOperation } from '../operation.ts'
import { bodyParser, commonFields } from '../validate.ts'
import type { CertificateAdministration } from './administration.ts'
import { type BeginOptions, beginCertificate } from './begin-certificate.ts'
import type { Certificate } from './certificate-kind.ts'
import { refuseWhilePending, renderPending, renderWaiting } from './pending-operations.ts'
import { type CertificatePolicy, changePolicy, completePolicy, pemType, pfxType, policySchema } from './policy.ts'
import { prepareCertificate } from './prepare-certificate.ts'
import { readImport } from './read-import.ts'

export interface CertificateOptions extends BeginOptions {
  kind: ObjectKind<Certificate>
  administration: CertificateAdministration
  backups: BackupSeal
}

const parseCreate = bodyParser(z.object({ ...commonFields, policy: policySchema }))
const parseImport = bodyParser(
  z.object({ ...commonFields, value: z.string().min(1), pwd: z.string().nullish(), policy: policySchema.nullish() }),
)
const parseUpdate = bodyParser(z.object({ ...commonFields, policy: policySchema.nullish() }))
const parsePolicy = bodyParser(policySchema)

/** The operations on certificates. https://learn.microsoft.com/rest/api/keyvault/certificates */
export function certificateOperations(options: CertificateOptions): VaultOperation[] {
  const { kind, stores, pending, administration, backups } = options
  const { certificates, keys, secrets } = stores

  return [
    ...lifecycleOperations({ kind, backups, readAction: 'read', deleteAction: 'delete' }),
    {
      operation: 'vault.certificate.create',
      method: 'POST',
      path: '/certificates/:name/create',
      permission: needs('create', 'create/action'),
      async run(call) {
        const { policy: given, tags, attributes } = parseCreate(await call.body())
        const policy = completePolicy(given)
        checkIssuer(call, policy, administration)
        refuseWhilePending(pending, call)
        certificates.refuseDeleted(call.vault.uid, call.name)
        const { uid: vault } = call.vault
        const wanted = { vault, name: call.name, policy, tags: tags ?? undefined, enabled: attributes?.enabled }
        return { status: 202, body: renderPending(call, await beginCertificate(options, wanted)) }
      },
    },
    {
      operation: 'vault.certificate.import',
      method: 'POST',
      path: '/certificates/:name/import',
      permission: needs('import', 'import/action'),
      async run(call) {
        const { value, pwd, policy: given, tags, attributes } = parseImport(await call.body())
        refuseWhilePending(pending, call)
        const { key, chain, format } = await readImport(value, pwd ?? '')
        const contentType = given?.secret_props?.contentType ?? (format === 'pem' ? pemType : pfxType)
        const policy = policyOfImport({ ...given, secret_props: { contentType } }, key, chain[0])
        const made = { policy, key, chain, tags: tags ?? undefined, enabled: attributes?.enabled }
        const place = { vault: call.vault.uid, name: call.name }
        const { version, changes } = await prepareCertificate(stores, place, made)
        certificates.commit(changes)
        return { body: kind.bundle(call.url.origin, call.vault, version) }
      },
    },
    {
      operation: 'vault.certificate.getPolicy',
      method: 'GET',
      path: '/certificates/:name/policy',
      permission: needs('get', 'read'),
      run: (call) => ({ body: policyBody(call, latestOf(livingObject(kind, call)).payload.policy) }),
    },
    {
      operation: 'vault.certificate.updatePolicy',
      method: 'PATCH',
      path: '/certificates/:name/policy',
      permission: needs('update', 'update/action'),
      async run(call) {
        const given = parsePolicy(await call.body())
        const version = latestOf(livingObject(kind, call))
        const policy = changePolicy(version.payload.policy, given)
        certificates.commit(certificates.update(version, { payload: { ...version.payload, policy } }).changes)
        return { body: policyBody(call, policy) }
      },
    },
    {
      operation: 'vault.certificate.get',
      method: 'GET',
      path: '/certificates/:name/:version?',
      permission: needs('get', 'read'),
      run(call) {
        const waiting = pending.get(call.vault.uid, call.name)
        const isFirst = certificates.get(call.vault.uid, call.name) === undefined
        if (waiting !== undefined && waiting.status !== 'completed' && isFirst) {
          if (['', waiting.version].includes(call.version)) return { body: renderWaiting(call, waiting) }
        }
        return { body: kind.bundle(call.url.origin, call.vault, versionOf(kind, call)) }
      },
    },
    {
      operation: 'vault.certificate.update',
      method: 'PATCH',
      path: '/certificates/:name/:version?',
      permission: needs('update', 'update/action'),
      async run(call) {
        const { tags, attributes, policy: given } = parseUpdate(await call.body())
        const version = versionOf(kind, call)
        const policy = given == null ? version.payload.policy : changePolicy(version.payload.policy, given)
        // Times are the certificate's own; what can be switched is whether it may be used, with its key and secret.
        const fields = { tags: tags ?? undefined, enabled: attributes?.enabled }
        const updated = certificates.update(version, { ...fields, payload: { ...version.payload, policy } })
        certificates.commit([...updated.changes, ...alike(keys, version, fields), ...alike(secrets, version, fields)])
        return { body: kind.bundle(call.url.origin, call.vault, updated.version) }
      },
    },
  ]
}

/** The changes that give the certificate's key or secret of the same version the same fields. */
function alike<P>(
  store: ObjectStore<P>,
  { vault, name, version }: ObjectVersion<unknown>,
  fields: { tags: Record<string, string> | undefined; enabled: boolean | undefined },
): Change[] {
  const twin = store.get(vault, name)?.versions.find((each) => each.version === version)
  return twin === undefined ? [] : store.update(twin, fields).changes
}

function checkIssuer({ vault }: VaultCall, policy: CertificatePolicy, administration: CertificateAdministration): void {
  const { name } = policy.issuer
  if (['Self', 'Unknown'].includes(name) || administration.issuer(vault.uid, name) !== undefined) return
  throw badParameter(
    `Property policy has invalid value: issuer.name: found "${name}", expected Self, Unknown or an issuer of this vault.`,
  )
}

/** The policy that describes what was imported, whatever was asked for. */
function policyOfImport(
  given: z.output<typeof policySchema>,
  key: KeyObject,
  leaf: Buffer | undefined,
): CertificatePolicy {
  const jwk = jwkOf(key)
  const subject = leaf === undefined ? '' : new X509Certificate(leaf).subject.replaceAll('\n', ', ')
  const keyProperties =
    jwk.kty === 'EC'
      ? { kty: 'EC' as const, crv: jwk.crv as never }
      : { kty: 'RSA' as const, key_size: (key.asymmetricKeyDetails?.modulusLength ?? 2048) as never }
  return completePolicy({
    ...given,
    key_props: { ...given.key_props, ...keyProperties },
    x509_props: { ...given.x509_props, subject },
    issuer: given.issuer ?? { name: 'Unknown' },
  })
}

function policyBody({ url, name }: VaultCall, policy: CertificatePolicy) {
  return { id: `${url.origin}/certificates/${name}/policy`, ...policy }
}

function needs(policy: string, action: string): Permission {
  return { kind: 'certificates', policy, dataAction: `certificates/${action}` }
}
