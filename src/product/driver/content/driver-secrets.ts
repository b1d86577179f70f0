import { classAnnotations, type SecretObject, type SecretProviderClass, syncsEveryFile } from '#kubernetes/client'

/** Whether the sync controller makes the Secrets of the class, as the service account that the class names. */
export function isSyncedWithoutPod({ metadata }: SecretProviderClass): boolean {
  return (metadata.annotations?.[classAnnotations.syncServiceAccount]?.trim() ?? '') !== ''
}

/** An entry of `secretObjects`, as the driver makes it. */
export interface DriverSecret extends SecretObject {
  /** Whether `objectName: "*"` is every file (parameter `syncAll` of the class). */
  everyFile?: boolean
}

/** The Secrets that the driver makes for a class. */
export function driverSecrets(secretClass: SecretProviderClass): readonly DriverSecret[] {
  if (isSyncedWithoutPod(secretClass)) return []
  const objects = secretClass.spec?.secretObjects ?? []
  return syncsEveryFile(secretClass) ? objects.map((object) => ({ ...object, everyFile: true })) : objects
}
