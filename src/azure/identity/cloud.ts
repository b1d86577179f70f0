import { parseJson, recordOf, stringOf } from '#lib/formats'

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

/** Names and endpoints of https://learn.microsoft.com/azure/developer/identity/national-clouds, with the aliases that upstream accepts. */
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
 * Throws with the name of the key that is missing or not an HTTPS URL, and without anything that the file holds.
 */
export function parseCloudFile(text: string): Cloud {
  const { member, origin } = cloudFileReader(text)
  const vaultSuffix = (member('keyVaultDNSSuffix') ?? missing('keyVaultDNSSuffix')).replace(/^\./, '')
  if (!/^[A-Za-z0-9.-]{1,253}(:\d{1,5})?$/.test(vaultSuffix)) {
    throw new Error('keyVaultDNSSuffix: expected a DNS suffix such as vault.local.azurestack.external')
  }
  return {
    name: stackCloud,
    // For AD FS the file may name its path too; the tenant `adfs` does so already.
    authority: (origin('activeDirectoryEndpoint') ?? missing('activeDirectoryEndpoint')).replace(/\/adfs$/i, ''),
    vaultResource: origin('keyVaultEndpoint') ?? `https://${vaultSuffix}`,
    vaultSuffix,
  }
}

export interface CloudFileReader {
  /** The text under a name, in any case, as Go matches names; undefined when it is missing or empty. */
  member(name: string): string | undefined
  /** The same for a URL, without a trailing slash. Throws when it is not one of HTTPS. */
  origin(name: string): string | undefined
}

/** Reads members of an environment file. Throws when the text is not a JSON object. */
export function cloudFileReader(text: string): CloudFileReader {
  const parsed = recordOf(parseJson('the file', text))
  if (parsed === undefined) throw new Error('the file is not a JSON object')
  const members = new Map(Object.entries(parsed).map(([key, value]) => [key.toLowerCase(), value]))
  const member = (name: string) => stringOf(members.get(name.toLowerCase()))?.trim() || undefined
  return {
    member,
    origin(name) {
      const value = member(name)
      if (value === undefined) return undefined
      const url = URL.canParse(value) ? new URL(value) : undefined
      if (url?.protocol === 'https:' && url.username === '') return value.replace(/\/{1,8}$/, '')
      throw new Error(`${name}: expected a URL that begins with https://`)
    },
  }
}

function missing(name: string): never {
  throw new Error(`${name} is missing`)
}
