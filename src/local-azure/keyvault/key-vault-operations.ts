import type { Clock } from '../../lib/index.ts'
import type { BackupSeal } from './backup-seal.ts'
import { type CertificateStores, certificateKind } from './certificates/certificate-kind.ts'
import { certificateOperations } from './certificates/certificate-operations.ts'
import { cryptographyOperations } from './keys/cryptography-operations.ts'
import { keyKind } from './keys/key-kind.ts'
import { keyOperations } from './keys/key-operations.ts'
import { rotationOperations } from './keys/rotation-operations.ts'
import type { VaultOperation } from './operation.ts'
import { secretKind } from './secrets/secret-kind.ts'
import { secretOperations } from './secrets/secret-operations.ts'

export interface KeyVaultOperationsOptions {
  stores: CertificateStores
  backups: BackupSeal
  clock: Clock
}

/** Every operation of the data plane. https://learn.microsoft.com/rest/api/keyvault */
export function keyVaultOperations({ stores, backups, clock }: KeyVaultOperationsOptions): VaultOperation[] {
  const keys = keyKind(stores.keys)
  return [
    ...secretOperations({ kind: secretKind(stores.secrets), backups }),
    ...keyOperations({ kind: keys, backups, clock }),
    ...rotationOperations({ kind: keys, clock }),
    ...cryptographyOperations({ kind: keys, clock }),
    ...certificateOperations({ kind: certificateKind(stores), stores, backups, clock }),
  ]
}
