import type { ObjectVersion, VaultObject } from '../object-store.ts'
import type { Vault } from '../vaults.ts'
import type { Secret } from './secret-operations.ts'

/** The JSON shapes of a secret. Ids are built from the host that the request reached. */

/** The secret with its value. */
export function secretBundle(origin: string, vault: Vault, version: ObjectVersion<Secret>) {
  return { value: version.payload.value, ...secretBundleWithoutValue(origin, vault, version) }
}

export function secretBundleWithoutValue(origin: string, vault: Vault, version: ObjectVersion<Secret>) {
  return { ...secretItem(origin, vault, version), id: `${origin}/secrets/${version.name}/${version.version}` }
}

/** An entry of a list, which names no version. */
export function secretItem(origin: string, vault: Vault, version: ObjectVersion<Secret>) {
  const { name, payload, tags } = version
  return {
    ...(payload.contentType !== undefined && { contentType: payload.contentType }),
    id: `${origin}/secrets/${name}`,
    attributes: attributesOf(vault, version),
    ...(tags !== undefined && { tags }),
  }
}

/** What a deleted secret has beside the rest. */
export function deletionOf(origin: string, { name, deletion }: VaultObject<Secret>) {
  return {
    recoveryId: `${origin}/deletedsecrets/${name}`,
    deletedDate: deletion?.deletedAt,
    scheduledPurgeDate: deletion?.purgeAt,
  }
}

function attributesOf({ properties }: Vault, { enabled, nbf, exp, created, updated }: ObjectVersion<Secret>) {
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
