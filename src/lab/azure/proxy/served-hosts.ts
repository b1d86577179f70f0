import { type Cloud, sovereignClouds } from './clouds.ts'

export type ServiceName = 'entra' | 'arm' | 'graph' | 'keyvault'

/** The service of a host name (lower case, no port); undefined when there is none. */
export function serviceOfHost(cloud: Cloud, host: string): ServiceName | undefined {
  if (host === cloud.login) return 'entra'
  if (host === cloud.resourceManager) return 'arm'
  if (host === cloud.graph) return 'graph'
  const vault = vaultOfHost(cloud, host)
  return vault === undefined ? undefined : 'keyvault'
}

/** `shop` of `shop.vault.azure.net`, or undefined when the host is not a vault's. */
export function vaultOfHost(cloud: Cloud, host: string): string | undefined {
  const suffix = `.${cloud.vaultSuffix}`
  if (!host.endsWith(suffix)) return undefined
  const name = host.slice(0, -suffix.length)
  return /^[a-z0-9-]{1,63}$/.test(name) ? name : undefined
}

/** The refusal of a host that is neither the cloud's nor one of `others`. */
export function refusalOf(cloud: Cloud, host: string, others: readonly string[] = []): string {
  const sovereign = sovereignClouds.find((other) => serviceOfHost(other, host) !== undefined)
  const reason =
    sovereign === undefined
      ? 'it is not a host of Azure that the lab emulates'
      : `the lab does not emulate ${sovereign.name}`
  const served = [cloud.login, cloud.resourceManager, cloud.graph, `*.${cloud.vaultSuffix}`, ...others].join(', ')
  return `The local Azure does not serve ${host}: ${reason}. It serves ${served}, and forwards nothing.\n`
}
