/**
 * The endpoints of one Azure cloud. They travel with each request and are never a process-wide setting, so that two
 * volumes of one node may live in two clouds.
 */
export interface Cloud {
  name: string
  /** Origin of Microsoft Entra (or AD FS), without a trailing slash. */
  authority: string
  /** Resource that tokens for vaults are made for, without a trailing slash. */
  vaultResource: string
  /** What follows `NAME.` in the host of a vault. */
  vaultSuffix: string
}

/** Names and endpoints of https://learn.microsoft.com/azure/developer/identity/national-clouds, with the aliases that the field accepts. */
const clouds: readonly (Cloud & { aliases: readonly string[] })[] = [
  row('AzurePublicCloud', 'https://login.microsoftonline.com', 'vault.azure.net', ['AzureCloud']),
  row('AzureUSGovernmentCloud', 'https://login.microsoftonline.us', 'vault.usgovcloudapi.net', ['AzureUSGovernment']),
  row('AzureChinaCloud', 'https://login.chinacloudapi.cn', 'vault.azure.cn', []),
  row('AzureGermanCloud', 'https://login.microsoftonline.de', 'vault.microsoftazure.de', []),
]

function row(name: string, authority: string, vaultSuffix: string, aliases: readonly string[]) {
  return { name, authority, vaultResource: `https://${vaultSuffix}`, vaultSuffix, aliases }
}

/** Name of the cloud whose endpoints come from a file. */
export const stackCloud = 'AzureStackCloud'

/** Every name that a class may use, for messages. */
export const cloudNames: readonly string[] = [...clouds.map(({ name }) => name), stackCloud]

export function isStackCloud(name: string): boolean {
  return name.toLowerCase() === stackCloud.toLowerCase()
}

/** The built-in cloud of that name or alias (any case); an empty name is the public cloud. */
export function findCloud(name: string): Cloud | undefined {
  const wanted = (name === '' ? 'AzurePublicCloud' : name).toLowerCase()
  const found = clouds.find((cloud) => [cloud.name, ...cloud.aliases].some((known) => known.toLowerCase() === wanted))
  if (found === undefined) return undefined
  const { aliases: _, ...cloud } = found
  return cloud
}

/**
 * The cloud that an environment file of the Azure Stack form describes; the many keys that we do not use are ignored.
 * Throws with the name of the key that is missing or no HTTPS URL.
 */
export function parseCloudFile(text: string): Cloud {
  const parsed: unknown = JSON.parse(text)
  if (typeof parsed !== 'object' || parsed === null) throw new Error('found no JSON object')
  // Go matches the names of members in any case, and files of the field rely on it.
  const members = new Map(Object.entries(parsed).map(([key, value]) => [key.toLowerCase(), value as unknown]))
  const member = (name: string): string => {
    const value = members.get(name.toLowerCase())
    if (typeof value !== 'string' || value.trim() === '') throw new Error(`${name} is missing`)
    return value.trim()
  }
  const origin = (name: string): string => {
    const value = member(name)
    const url = URL.canParse(value) ? new URL(value) : undefined
    if (url?.protocol !== 'https:' || url.username !== '') {
      throw new Error(`${name}: found "${value}", expected a URL that begins with https://`)
    }
    return value.replace(/\/+$/, '')
  }
  const vaultSuffix = member('keyVaultDNSSuffix').replace(/^\./, '')
  if (!/^[A-Za-z0-9.-]+(:\d+)?$/.test(vaultSuffix)) {
    throw new Error(
      `keyVaultDNSSuffix: found "${vaultSuffix}", expected a DNS suffix such as vault.local.azurestack.external`,
    )
  }
  return {
    name: stackCloud,
    // For AD FS the file may name its path too; the tenant `adfs` does so already.
    authority: origin('activeDirectoryEndpoint').replace(/\/adfs$/i, ''),
    vaultResource: members.has('keyvaultendpoint') ? origin('keyVaultEndpoint') : `https://${vaultSuffix}`,
    vaultSuffix,
  }
}
