import type { ObjectVersion, VaultObject } from './object-store.ts'
import type { Vault } from './vaults.ts'

/** The `attributes` of every kind of object. Times are in seconds since the epoch. */
export function attributesOf(
  { properties }: Vault,
  version: Pick<ObjectVersion<unknown>, 'enabled' | 'nbf' | 'exp' | 'created' | 'updated'>,
) {
  const { enabled, nbf, exp, created, updated } = version
  const days = properties.softDeleteRetentionInDays
  const level = days < 90 ? 'CustomizedRecoverable' : 'Recoverable'
  return {
    enabled,
    nbf,
    exp,
    created,
    updated,
    recoveryLevel: properties.enablePurgeProtection === true ? level : `${level}+Purgeable`,
    recoverableDays: days,
  }
}

/** The additional fields of a deleted object. */
export function deletionOf(origin: string, plural: string, { name, deletion }: VaultObject<unknown>) {
  return {
    recoveryId: `${origin}/deleted${plural}/${name}`,
    deletedDate: deletion?.deletedAt,
    scheduledPurgeDate: deletion?.purgeAt,
  }
}
