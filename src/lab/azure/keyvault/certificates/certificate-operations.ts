import { z } from 'zod'
import type { Change } from '../../records/record-store.ts'
import { permissionsOn } from '../authorize.ts'
import type { BackupSeal } from '../backup-seal.ts'
import { badParameter } from '../error-response.ts'
import { lifecycleOperations } from '../lifecycle-operations.ts'
import { latestOf, liveObject, type ObjectKind, versionOf } from '../object-kind.ts'
import type { ObjectStore, ObjectVersion } from '../object-store.ts'
import { type VaultAnswer, type VaultCall, type VaultOperation, vaultOperation } from '../operation.ts'
import { bodyParser, commonFields } from '../validate.ts'
import type { CertificateAdministration } from './administration.ts'
import { type BeginOptions, beginCertificate } from './begin-certificate.ts'
import type { Certificate } from './certificate-kind.ts'
import { refuseWhilePending, renderPending, renderWaiting } from './pending-operations.ts'
import { type CertificatePolicy, changePolicy, completePolicy, policySchema } from './policy.ts'
import { policyOfImport } from './policy-of-import.ts'
import { prepareCertificate } from './prepare-certificate.ts'
import { readImport } from './read-import.ts'

const needs = permissionsOn('certificates')

export interface CertificateOptions extends BeginOptions {
  kind: ObjectKind<Certificate>
  administration: CertificateAdministration
  backups: BackupSeal
}

const parseCreate = bodyParser(z.object({ ...commonFields, policy: policySchema }))
const parseImport = bodyParser(
  z.object({
    ...commonFields,
    value: z.string().min(1),
    pwd: z.string().max(200).nullish(),
    policy: policySchema.nullish(),
  }),
)
const parseUpdate = bodyParser(z.object({ ...commonFields, policy: policySchema.nullish() }))
const parsePolicy = bodyParser(policySchema)

/** The operations on certificates. https://learn.microsoft.com/rest/api/keyvault/certificates */
export function certificateOperations(options: CertificateOptions): VaultOperation[] {
  const { kind, backups } = options
  return [
    ...lifecycleOperations({ kind, backups, readAction: 'read', deleteAction: 'delete' }),
    vaultOperation(
      'vault.certificate.create',
      'POST',
      '/certificates/:name/create',
      needs('create', 'create/action'),
      (call) => createCertificate(options, call),
    ),
    vaultOperation(
      'vault.certificate.import',
      'POST',
      '/certificates/:name/import',
      needs('import', 'import/action'),
      (call) => importCertificate(options, call),
    ),
    vaultOperation(
      'vault.certificate.getPolicy',
      'GET',
      '/certificates/:name/policy',
      needs('get', 'read'),
      (call) => ({ body: renderPolicy(call, latestOf(liveObject(kind, call)).payload.policy) }),
    ),
    vaultOperation(
      'vault.certificate.updatePolicy',
      'PATCH',
      '/certificates/:name/policy',
      needs('update', 'update/action'),
      (call) => updatePolicy(options, call),
    ),
    vaultOperation('vault.certificate.get', 'GET', '/certificates/:name/:version?', needs('get', 'read'), (call) =>
      getCertificate(options, call),
    ),
    vaultOperation(
      'vault.certificate.update',
      'PATCH',
      '/certificates/:name/:version?',
      needs('update', 'update/action'),
      (call) => updateCertificate(options, call),
    ),
  ]
}

async function createCertificate(options: CertificateOptions, call: VaultCall): Promise<VaultAnswer> {
  const { stores, pending, administration } = options
  const { uid: vault } = call.vault
  const { policy: given, tags, attributes } = parseCreate(await call.body())
  const policy = completePolicy(given)
  checkIssuer(call, policy, administration)
  refuseWhilePending(pending, call)
  stores.certificates.refuseDeleted(vault, call.name)
  const spec = { vault, name: call.name, policy, tags: tags ?? undefined, enabled: attributes?.enabled }
  return { status: 202, body: renderPending(call, await beginCertificate(options, spec)) }
}

function checkIssuer({ vault }: VaultCall, policy: CertificatePolicy, administration: CertificateAdministration): void {
  const { name } = policy.issuer
  if (['Self', 'Unknown'].includes(name) || administration.issuers.get(vault.uid, name) !== undefined) return
  throw badParameter(
    `Property policy has invalid value: issuer.name: found "${name}", expected Self, Unknown or an issuer of this vault.`,
  )
}

async function importCertificate({ kind, stores, pending }: CertificateOptions, call: VaultCall): Promise<VaultAnswer> {
  const { value, pwd, policy: given, tags, attributes } = parseImport(await call.body())
  refuseWhilePending(pending, call)
  const imported = await readImport(value, pwd ?? '', given?.secret_props?.contentType ?? undefined)
  const { version, changes } = await prepareCertificate(
    stores,
    { vault: call.vault.uid, name: call.name },
    {
      policy: policyOfImport(given ?? {}, imported),
      key: imported.key,
      chain: imported.chain,
      tags: tags ?? undefined,
      enabled: attributes?.enabled,
    },
  )
  stores.certificates.commit(changes)
  return { body: kind.bundle(call.url.origin, call.vault, version) }
}

function renderPolicy({ url, name }: VaultCall, policy: CertificatePolicy) {
  return { id: `${url.origin}/certificates/${name}/policy`, ...policy }
}

async function updatePolicy({ kind }: CertificateOptions, call: VaultCall): Promise<VaultAnswer> {
  const given = parsePolicy(await call.body())
  const version = latestOf(liveObject(kind, call))
  const policy = changePolicy(version.payload.policy, given)
  kind.store.commit(kind.store.update(version, { payload: { ...version.payload, policy } }).changes)
  return { body: renderPolicy(call, policy) }
}

function getCertificate({ kind, pending }: CertificateOptions, call: VaultCall): VaultAnswer {
  const waiting = pending.get(call.vault.uid, call.name)
  const isFirst = kind.store.get(call.vault.uid, call.name) === undefined
  if (waiting !== undefined && waiting.status !== 'completed' && isFirst) {
    if (['', waiting.version].includes(call.version)) return { body: renderWaiting(call, waiting) }
  }
  return { body: kind.bundle(call.url.origin, call.vault, versionOf(kind, call)) }
}

async function updateCertificate({ kind, stores }: CertificateOptions, call: VaultCall): Promise<VaultAnswer> {
  const { certificates, keys, secrets } = stores
  const { tags, attributes, policy: given } = parseUpdate(await call.body())
  const version = versionOf(kind, call)
  const policy = given == null ? version.payload.policy : changePolicy(version.payload.policy, given)
  // The validity is the certificate's own. Enabled or not applies to its key and secret too.
  const fields = { tags: tags ?? undefined, enabled: attributes?.enabled }
  const updated = certificates.update(version, { ...fields, payload: { ...version.payload, policy } })
  certificates.commit([
    ...updated.changes,
    ...changesOfTwin(keys, version, fields),
    ...changesOfTwin(secrets, version, fields),
  ])
  return { body: kind.bundle(call.url.origin, call.vault, updated.version) }
}

/** The changes that set the same fields on the certificate's key or secret of the same version. */
function changesOfTwin<P>(
  store: ObjectStore<P>,
  { vault, name, version }: ObjectVersion<unknown>,
  fields: { tags: Record<string, string> | undefined; enabled: boolean | undefined },
): Change[] {
  const twin = store.get(vault, name)?.versions.find((each) => each.version === version)
  return twin === undefined ? [] : store.update(twin, fields).changes
}
