import type { Change, Collection, RecordStore } from '../../records/record-store.ts'

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
  issuer(vault: string, name: string): Issuer | undefined
  issuers(vault: string): Issuer[]
  putIssuer(issuer: Issuer): Change
  removeIssuer(issuer: Issuer): Change
  /** Removes everything of a vault. */
  removeAll(vault: string): Change[]
}

export function createCertificateAdministration(store: RecordStore): CertificateAdministration {
  const contacts = store.collection<Contacts>('certificate-contacts')
  const issuers = store.collection<Issuer>('certificate-issuers')
  const keyOf = (vault: string, name: string) => `${vault}/${name.toLowerCase()}`
  const ofVault = (uid: string) => [...issuers.values()].filter(({ vault }) => vault === uid)
  return {
    contacts,
    issuer: (vault, name) => issuers.get(keyOf(vault, name)),
    issuers: (vault) => ofVault(vault).sort((a, b) => (a.name.toLowerCase() < b.name.toLowerCase() ? -1 : 1)),
    putIssuer: (issuer) => issuers.put(keyOf(issuer.vault, issuer.name), issuer),
    removeIssuer: ({ vault, name }) => issuers.remove(keyOf(vault, name)),
    removeAll: (uid) => [
      contacts.remove(uid),
      ...ofVault(uid).map(({ vault, name }) => issuers.remove(keyOf(vault, name))),
    ],
  }
}
