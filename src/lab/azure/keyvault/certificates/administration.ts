import type { Change, Collection, RecordStore } from '../../records/record-store.ts'
import { type VaultCollection, vaultCollection } from '../vault-collection.ts'

/** The people to notify about the certificates of a vault. */
export interface Contacts {
  vault: string
  contacts: { email: string; name?: string | undefined; phone?: string | undefined }[]
}

/** An account with a certificate authority. */
export interface Issuer {
  vault: string
  name: string
  provider: string
  accountId?: string | undefined
  /** Stored, never shown and never used. */
  password?: string | undefined
  organizationId?: string | undefined
  administrators: Administrator[]
  enabled: boolean
  /** In seconds since the epoch. */
  created: number
  updated: number
}

export interface Administrator {
  first_name?: string | undefined
  last_name?: string | undefined
  email?: string | undefined
  phone?: string | undefined
}

/** The settings of a vault that apply to all its certificates: contacts and issuers. */
export interface CertificateAdministration {
  readonly contacts: Collection<Contacts>
  readonly issuers: VaultCollection<Issuer>
  /** Removes everything of a vault. */
  removeAll(vault: string): Change[]
}

export function createCertificateAdministration(store: RecordStore): CertificateAdministration {
  const contacts = store.collection<Contacts>('certificate-contacts')
  const issuers = vaultCollection<Issuer>(store, 'certificate-issuers')
  return { contacts, issuers, removeAll: (uid) => [contacts.remove(uid), ...issuers.removeAll(uid)] }
}
