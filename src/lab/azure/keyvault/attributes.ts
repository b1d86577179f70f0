import type { ObjectVersion, VaultObject } from './object-store.ts'
import type { Vault } from './vaults.ts'

/** The `attributes` of every kind of object. Times are in seconds since the epoch. */
export function attributesOf(
  { properties }: Vault,
  {
    enabled,
    nbf,
    exp,
    created,
    updated,
  }: Pick<ObjectVersion<unknown>, 'enabled' | 'nbf' | 'exp' | 'created' | 'updated'>,
) {
  const days = properties.softDeleteRetentionInDays
  const level = days < 90 ? 'CustomizedRecoverable' : 'Recoverable'
  return {
    enabled,
    ...(nbf !== undefined && { nbf }),
    ...(exp !== undefined && { exp }),
    created,
    updated,
    recoveryLevel: properties.enablePurgeProtection === true ? level : `${level}+Purgeable`,
    recoverableDays: days,
  }
}

/** What a deleted object has beside the rest. */
export function deletionOf(origin: string, plural: string, { name, deletion }: VaultObject<unknown>) {
  return {
    recoveryId: `${origin}/deleted${plural}/${name}`,
    deletedDate: deletion?.deletedAt,
    scheduledPurgeDate: deletion?.purgeAt,
  }
}
