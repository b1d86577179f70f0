import type { JsonWebKey } from 'node:crypto'
import type { Change, RecordStore } from '../../records/record-store.ts'
import type { CertificatePolicy } from './policy.ts'

/** The last making of a certificate: one for each name, kept until the next one or until somebody deletes it. */
export interface PendingCertificate {
  /** `uid` of the vault. */
  vault: string
  name: string
  /** What the certificate will have; its key has it already. */
  version: string
  policy: CertificatePolicy
  /** The certificate request, DER in base64. */
  csr: string
  /** The key that waits for its certificate; gone when that has come. */
  jwk?: JsonWebKey | undefined
  tags?: Record<string, string> | undefined
  enabled?: boolean | undefined
  /** In seconds since the epoch. */
  created: number
  status: 'inProgress' | 'completed' | 'cancelled'
  requestId: string
}

export interface PendingCertificates {
  get(vault: string, name: string): PendingCertificate | undefined
  /** Those of a vault that wait. */
  waiting(vault: string): PendingCertificate[]
  put(pending: PendingCertificate): Change
  remove(pending: PendingCertificate): Change
  /** Removes everything of a vault. */
  removeAll(vault: string): Change[]
}

export function createPendingCertificates(store: RecordStore): PendingCertificates {
  const collection = store.collection<PendingCertificate>('pending-certificates')
  const keyOf = (vault: string, name: string) => `${vault}/${name.toLowerCase()}`
  const of = (uid: string) => [...collection.values()].filter(({ vault }) => vault === uid)
  return {
    get: (vault, name) => collection.get(keyOf(vault, name)),
    waiting: (uid) => of(uid).filter(({ status }) => status === 'inProgress'),
    put: (pending) => collection.put(keyOf(pending.vault, pending.name), pending),
    remove: ({ vault, name }) => collection.remove(keyOf(vault, name)),
    removeAll: (uid) => of(uid).map(({ vault, name }) => collection.remove(keyOf(vault, name))),
  }
}
