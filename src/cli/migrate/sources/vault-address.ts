import { findCloud } from '#azure/identity'

/** ESO’s names of clouds → those of a class. */
export const cloudNames: Readonly<Record<string, string>> = {
  '': 'AzurePublicCloud',
  PublicCloud: 'AzurePublicCloud',
  USGovernmentCloud: 'AzureUSGovernmentCloud',
  ChinaCloud: 'AzureChinaCloud',
  GermanCloud: 'AzureGermanCloud',
}

/** The name of the vault at an address, if it is in the cloud. */
export function vaultNameOf(address: string, cloudName: string): string | undefined {
  const suffix = findCloud(cloudName)?.vaultSuffix
  if (suffix === undefined || !URL.canParse(address)) return undefined
  const { protocol, hostname, pathname, port, username, search } = new URL(address)
  const isPlain = protocol === 'https:' && pathname === '/' && port === '' && username === '' && search === ''
  const [, name] = /^([a-z0-9-]{3,24})\.(.+)$/.exec(hostname) ?? []
  return isPlain && name !== undefined && hostname === `${name}.${suffix}` ? name : undefined
}
