import { createHash } from 'node:crypto'
import { attributesOf } from '../attributes.ts'
import type { Key } from '../keys/key-kind.ts'
import type { Companion, ObjectKind } from '../object-kind.ts'
import type { ObjectStore, ObjectVersion, VaultObject } from '../object-store.ts'
import type { Secret } from '../secrets/secret-kind.ts'
import type { PendingCertificates } from './pending-certificates.ts'
import type { CertificatePolicy } from './policy.ts'

export interface Certificate {
  /** The leaf, DER in base64. */
  cer: string
  policy: CertificatePolicy
}

/** A certificate, its key and its secret: three objects with one name and version. */
export interface CertificateStores {
  certificates: ObjectStore<Certificate>
  keys: ObjectStore<Key>
  secrets: ObjectStore<Secret>
}

export function certificateKind(
  { certificates, keys, secrets }: CertificateStores,
  pending: PendingCertificates,
): ObjectKind<Certificate> {
  return {
    noun: 'certificate',
    store: certificates,
    bundle(origin, vault, version) {
      const { name, payload, tags } = version
      const id = (plural: string) => `${origin}/${plural}/${name}/${version.version}`
      return {
        id: id('certificates'),
        kid: id('keys'),
        sid: id('secrets'),
        x5t: thumbprint(payload),
        cer: payload.cer,
        contentType: payload.policy.secret_props.contentType,
        attributes: attributesOf(vault, version),
        policy: { id: `${origin}/certificates/${name}/policy`, ...payload.policy },
        tags,
      }
    },
    item: (origin, vault, { name, payload, tags, ...version }, withVersion) => ({
      id: `${origin}/certificates/${name}${withVersion ? `/${version.version}` : ''}`,
      x5t: thumbprint(payload),
      attributes: attributesOf(vault, version),
      subject: payload.policy.x509_props.subject,
      tags,
    }),
    alsoListed(origin, vault, query) {
      if (query.get('includePending')?.toLowerCase() !== 'true') return []
      const first = pending.waiting(vault.uid).filter(({ name }) => certificates.get(vault.uid, name) === undefined)
      return first.map(({ name, policy, created, tags }) => ({
        name,
        item: {
          id: `${origin}/certificates/${name}`,
          attributes: attributesOf(vault, { enabled: false, created, updated: created }),
          subject: policy.x509_props.subject,
          tags,
        },
      }))
    },
    isManaged: () => false,
    companions: (vault, name) => [...companion(keys, vault, name), ...companion(secrets, vault, name)],
    restoreCompanions: (vault, [ofKey = [], ofSecret = []]) => [
      ...keys.restore(vault, ofKey as ObjectVersion<Key>[]).changes,
      ...secrets.restore(vault, ofSecret as ObjectVersion<Secret>[]).changes,
    ],
  }
}

function companion<P>(store: ObjectStore<P>, vault: string, name: string): Companion[] {
  const object = store.get(vault, name) ?? store.getDeleted(vault, name)
  if (object === undefined) return []
  const { recover, purge } = store
  const typed = (given: VaultObject<unknown>) => given as VaultObject<P>
  return [
    {
      object,
      delete: (id, given, days) => store.delete(id, typed(given), days),
      recover: (id, given) => recover(id, typed(given)),
      purge: (id, given) => purge(id, typed(given)),
    },
  ]
}

/** SHA-1 of the certificate. https://www.rfc-editor.org/rfc/rfc7517#section-4.8 */
function thumbprint({ cer }: Certificate): string {
  return createHash('sha1').update(Buffer.from(cer, 'base64')).digest('base64url')
}
