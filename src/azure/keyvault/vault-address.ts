/** A vault, by the name that people use and the origin that we call. */
export interface Vault {
  name: string
  /** `https://NAME.SUFFIX`, without a trailing slash. */
  origin: string
}

/**
 * The address of a vault. The host is always NAME + the cloud's suffix, so no class can send a token to another host.
 * Throws in the words of upstream.
 */
export function vaultAddress(name: string, suffix: string): Vault {
  if (name.length < 3 || name.length > 24) {
    throw new Error(`Invalid vault name: "${name}", must be between 3 and 24 chars`)
  }
  if (!/^[-A-Za-z0-9]+$/.test(name)) {
    throw new Error(`Invalid vault name: "${name}", must match [-a-zA-Z0-9]{3,24}`)
  }
  return { name, origin: `https://${name}.${suffix}` }
}
