import type { JsonWebKey } from 'node:crypto'
import type { Change, RecordStore } from '../../records/record-store.ts'
import type { CertificatePolicy } from './policy.ts'

/** The last creation of a certificate, one per name. Stays until the next creation, or until it is deleted. */
export interface PendingCertificate {
  /** `uid` of the vault. */
  vault: string
  name: string
  /** The version that the certificate will have. */
  version: string
  policy: CertificatePolicy
  /** The certificate request, DER in base64. */
  csr: string
  /** The key, while it waits for its certificate. */
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
  /** Those of a vault that are in progress. */
  waiting(vault: string): PendingCertificate[]
  put(pending: PendingCertificate): Change
  remove(pending: PendingCertificate): Change
  /** Removes everything of a vault. */
  removeAll(vault: string): Change[]
}

export function createPendingCertificates(store: RecordStore): PendingCertificates {
  const collection = store.collection<PendingCertificate>('pending-certificates')
  const keyOf = (vault: string, name: string) => `${vault}/${name.toLowerCase()}`
  const ofVault = (uid: string) => [...collection.values()].filter(({ vault }) => vault === uid)
  return {
    get: (vault, name) => collection.get(keyOf(vault, name)),
    waiting: (uid) => ofVault(uid).filter(({ status }) => status === 'inProgress'),
    put: (pending) => collection.put(keyOf(pending.vault, pending.name), pending),
    remove: ({ vault, name }) => collection.remove(keyOf(vault, name)),
    removeAll: (uid) => ofVault(uid).map(({ vault, name }) => collection.remove(keyOf(vault, name))),
  }
}
