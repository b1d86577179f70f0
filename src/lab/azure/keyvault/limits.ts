/** The limits of Key Vault. https://learn.microsoft.com/azure/key-vault/general/service-limits */

/** Names of secrets, keys and certificates. */
export const objectNamePattern = /^[0-9a-zA-Z-]{1,127}$/
/** A secret's value, in bytes. */
export const maxSecretBytes = 25_000
export const maxContentTypeLength = 255
export const maxTags = 15
export const maxTagLength = 256
/** Most items on a page, and the default. */
export const maxPageSize = 25
/** Days during which a deleted vault or object can be recovered. */
export const defaultRetentionDays = 90
export const minRetentionDays = 7
/** Vault names are host names. */
export const vaultNamePattern = /^(?!.*--)[a-zA-Z][a-zA-Z0-9-]{1,22}[a-zA-Z0-9]$/

/**
 * API versions of the data plane, the newest first: error texts recommend it. Later dates are handled as the newest, so that
 * new releases of the SDKs work without a release of the lab.
 */
const apiVersions = [
  '2026-04-01',
  '2025-07-01',
  '7.6',
  '7.6-preview.2',
  '7.6-preview.1',
  '7.5',
  '7.5-preview.1',
  '7.4',
  '7.4-preview.1',
  '7.3',
  '7.3-preview',
  '7.2',
  '7.2-preview',
  '7.1',
  '7.1-preview',
  '7.0',
  '7.0-preview',
  '2016-10-01',
] as const

export const newestApiVersion: string = apiVersions[0]

export function isApiVersion(version: string): boolean {
  const isDated = /^\d{4}-\d{2}-\d{2}(-preview)?$/.test(version) && version > '2025-07-01'
  return isDated || apiVersions.some((supported) => supported === version)
}
