import { classAnnotations, type SecretObject, type SecretProviderClass } from '#kubernetes/client'

/** Whether the sync controller makes the Secrets of the class, as the service account that the class names. */
export function isSyncedWithoutPod({ metadata }: SecretProviderClass): boolean {
  return (metadata.annotations?.[classAnnotations.syncServiceAccount]?.trim() ?? '') !== ''
}

/** The Secrets that the driver makes for a class. */
export function driverSecrets(secretClass: SecretProviderClass): readonly SecretObject[] {
  return isSyncedWithoutPod(secretClass) ? [] : (secretClass.spec?.secretObjects ?? [])
}
