import { createHash, type KeyObject, randomBytes, X509Certificate } from 'node:crypto'
import { z } from 'zod'
import type { Clock } from '../../../lib/index.ts'
import type { Permission } from '../authorize.ts'
import type { BackupSeal } from '../backup-seal.ts'
import { badParameter, VaultError } from '../error-response.ts'
import { defaultOperations, jwkOf, makeEcKey, makeRsaKey } from '../keys/make-key.ts'
import { lifecycleOperations } from '../lifecycle-operations.ts'
import { latestOf, livingObject, type ObjectKind, versionOf } from '../object-kind.ts'
import type { ObjectVersion } from '../object-store.ts'
import type { VaultCall, VaultOperation } from '../operation.ts'
import { bodyParser, commonFields } from '../validate.ts'
import type { Certificate, CertificateStores } from './certificate-kind.ts'
import { issueSelfSigned } from './issue-self-signed.ts'
import { type CertificatePolicy, changePolicy, completePolicy, pemType, pfxType, policySchema } from './policy.ts'
import { readImport } from './read-import.ts'
import { writePfx } from './write-pfx.ts'

export interface CertificateOptions {
  kind: ObjectKind<Certificate>
  stores: CertificateStores
  backups: BackupSeal
  clock: Clock
}

const parseCreate = bodyParser(z.object({ ...commonFields, policy: policySchema }))
const parseImport = bodyParser(
  z.object({ ...commonFields, value: z.string().min(1), pwd: z.string().nullish(), policy: policySchema.nullish() }),
)
const parseUpdate = bodyParser(z.object({ ...commonFields, policy: policySchema.nullish() }))
const parsePolicy = bodyParser(policySchema)

/** The operations on certificates. https://learn.microsoft.com/rest/api/keyvault/certificates */
export function certificateOperations({ kind, stores, backups, clock }: CertificateOptions): VaultOperation[] {
  const { certificates, keys, secrets } = stores

  /** The certificate, its key and its secret: three objects of one name and version, in one commit. */
  async function add(call: VaultCall, made: Made): Promise<ObjectVersion<Certificate>> {
    const { vault, name } = call
    const { policy, key, chain, tags, enabled } = made
    const [leaf] = chain
    if (leaf === undefined) throw new Error('a certificate without a certificate')
    const { validFrom, validTo } = new X509Certificate(leaf)
    const times = { nbf: epochSeconds(validFrom), exp: epochSeconds(validTo) }
    const shared = { tags, enabled, ...times }
    const version = randomBytes(16).toString('hex')
    const certificate = certificates.add(
      vault.uid,
      name,
      { ...shared, payload: { cer: leaf.toString('base64'), policy } },
      version,
    )
    const kty = policy.key_props.kty
    const keyPayload = { kty, jwk: jwkOf(key), operations: defaultOperations[kty], managed: true as const }
    const { contentType } = policy.secret_props
    const secretPayload = { value: await secretValue(contentType, key, chain), contentType, managed: true as const }
    certificates.commit([
      ...certificate.changes,
      ...keys.add(vault.uid, name, { ...shared, payload: keyPayload }, version).changes,
      ...secrets.add(vault.uid, name, { ...shared, payload: secretPayload }, version).changes,
    ])
    return certificate.version
  }

  function pending({ url, name }: VaultCall, policy: CertificatePolicy, status: 'inProgress' | 'completed') {
    const target = `${url.origin}/certificates/${name}`
    return {
      id: `${target}/pending`,
      issuer: { name: policy.issuer.name },
      cancellation_requested: false,
      status,
      ...(status === 'completed'
        ? { target }
        : { status_details: 'Pending certificate created. Certificate request is in progress.' }),
      request_id: createHash('md5').update(target).digest('hex'),
    }
  }

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
        requireSelf(policy)
        const key = await makeKey(policy)
        const { certificate, request } = await issueSelfSigned(policy, key, clock.now())
        await add(call, { policy, key, chain: [certificate], tags: tags ?? undefined, enabled: attributes?.enabled })
        return { status: 202, body: { ...pending(call, policy, 'inProgress'), csr: request.toString('base64') } }
      },
    },
    {
      operation: 'vault.certificate.getOperation',
      method: 'GET',
      path: '/certificates/:name/pending',
      permission: needs('get', 'read'),
      run: (call) => ({ body: pending(call, latestOf(livingObject(kind, call)).payload.policy, 'completed') }),
    },
    {
      operation: 'vault.certificate.import',
      method: 'POST',
      path: '/certificates/:name/import',
      permission: needs('import', 'import/action'),
      async run(call) {
        const { value, pwd, policy: given, tags, attributes } = parseImport(await call.body())
        const { key, chain, format } = await readImport(value, pwd ?? '')
        const contentType = given?.secret_props?.contentType ?? (format === 'pem' ? pemType : pfxType)
        const policy = policyOfImport({ ...given, secret_props: { contentType } }, key, chain[0])
        const fields = { policy, key, chain, tags: tags ?? undefined, enabled: attributes?.enabled }
        return { body: kind.bundle(call.url.origin, call.vault, await add(call, fields)) }
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
      run: (call) => ({ body: kind.bundle(call.url.origin, call.vault, versionOf(kind, call)) }),
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

interface Made {
  policy: CertificatePolicy
  key: KeyObject
  /** DER, leaf first. */
  chain: readonly Buffer[]
  tags: Record<string, string> | undefined
  enabled: boolean | undefined
}

function alike<P>(
  store: CertificateStores['keys'] | CertificateStores['secrets'],
  { vault, name, version }: ObjectVersion<P>,
  fields: { tags: Record<string, string> | undefined; enabled: boolean | undefined },
) {
  const object = store.get(vault, name)
  const twin = object?.versions.find((each) => each.version === version)
  return twin === undefined ? [] : (store as CertificateStores['keys']).update(twin as never, fields).changes
}

function requireSelf({ issuer: { name } }: CertificatePolicy): void {
  if (name === 'Self') return
  if (name === 'Unknown') {
    throw new VaultError(
      501,
      'NotImplemented',
      'The local Azure does not implement certificates that are merged later (issuer Unknown).',
    )
  }
  throw badParameter(
    `Property policy has invalid value: issuer.name: found "${name}", expected Self: this vault has no other issuer.`,
  )
}

function makeKey({ key_props: { kty, key_size, crv } }: CertificatePolicy): Promise<KeyObject> {
  return kty === 'EC' ? makeEcKey(crv ?? 'P-256') : makeRsaKey(key_size)
}

/** What the secret of a certificate holds: the private key and the whole chain. */
async function secretValue(contentType: string, key: KeyObject, chain: readonly Buffer[]): Promise<string> {
  if (contentType === pfxType) return (await writePfx(key, chain)).toString('base64')
  const certificates = chain.map((der) => new X509Certificate(der).toString())
  return [String(key.export({ format: 'pem', type: 'pkcs8' })), ...certificates].join('')
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

function epochSeconds(date: string): number {
  return Math.floor(Date.parse(date) / 1000)
}

function needs(policy: string, action: string): Permission {
  return { kind: 'certificates', policy, dataAction: `certificates/${action}` }
}
