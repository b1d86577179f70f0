import type { JsonWebKey } from 'node:crypto'
import type { RecordStore } from '../../records/record-store.ts'
import { type VaultCollection, vaultCollection } from '../vault-collection.ts'
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

export interface PendingCertificates extends VaultCollection<PendingCertificate> {
  /** Those of a vault that are in progress. */
  waiting(vault: string): PendingCertificate[]
}

export function createPendingCertificates(store: RecordStore): PendingCertificates {
  const all = vaultCollection<PendingCertificate>(store, 'pending-certificates')
  return { ...all, waiting: (uid) => all.ofVault(uid).filter(({ status }) => status === 'inProgress') }
}
