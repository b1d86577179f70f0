import type { Clock } from '#lib'
import type { RecordStore } from '../records/record-store.ts'
import type { BackupSeal } from './backup-seal.ts'
import type { CertificateAdministration } from './certificates/administration.ts'
import { administrationOperations } from './certificates/administration-operations.ts'
import { type CertificateStores, certificateKind } from './certificates/certificate-kind.ts'
import { certificateOperations } from './certificates/certificate-operations.ts'
import type { PendingCertificates } from './certificates/pending-certificates.ts'
import { pendingOperations } from './certificates/pending-operations.ts'
import { cryptographyOperations } from './keys/cryptography-operations.ts'
import { keyKind } from './keys/key-kind.ts'
import { keyOperations } from './keys/key-operations.ts'
import { rotationOperations } from './keys/rotation-operations.ts'
import type { VaultOperation } from './operation.ts'
import { secretKind } from './secrets/secret-kind.ts'
import { secretOperations } from './secrets/secret-operations.ts'

export interface KeyVaultOperationsOptions {
  store: RecordStore
  stores: CertificateStores
  pending: PendingCertificates
  administration: CertificateAdministration
  backups: BackupSeal
  clock: Clock
}

/** Every operation of the data plane. https://learn.microsoft.com/rest/api/keyvault */
export function keyVaultOperations(options: KeyVaultOperationsOptions): VaultOperation[] {
  const { stores, clock } = options
  const keys = keyKind(stores.keys)
  const certificates = { ...options, kind: certificateKind(stores, options.pending) }
  return [
    ...secretOperations({ ...options, kind: secretKind(stores.secrets) }),
    // The more specific paths come first: otherwise `contacts` would be a certificate's name and `rotationpolicy` a key's version.
    ...rotationOperations({ kind: keys, clock }),
    ...keyOperations({ ...options, kind: keys }),
    ...cryptographyOperations({ kind: keys, clock }),
    ...administrationOperations(options),
    ...pendingOperations(certificates),
    ...certificateOperations(certificates),
  ]
}
