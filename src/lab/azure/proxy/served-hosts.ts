import { type Cloud, sovereignClouds } from './clouds.ts'

export type ServiceName = 'entra' | 'arm' | 'graph' | 'keyvault'

/** Which service answers for a host name (lower case, no port), or undefined: then nobody does. */
export function serviceOfHost(cloud: Cloud, host: string): ServiceName | undefined {
  if (host === cloud.login) return 'entra'
  if (host === cloud.resourceManager) return 'arm'
  if (host === cloud.graph) return 'graph'
  const vault = vaultOfHost(cloud, host)
  return vault === undefined ? undefined : 'keyvault'
}

/** `shop` of `shop.vault.azure.net`, or undefined when the host is no vault's. */
export function vaultOfHost(cloud: Cloud, host: string): string | undefined {
  const suffix = `.${cloud.vaultSuffix}`
  if (!host.endsWith(suffix)) return undefined
  const name = host.slice(0, -suffix.length)
  return /^[a-z0-9-]{1,63}$/.test(name) ? name : undefined
}

/** What to say to somebody who asked for another host than those of the cloud and `others`. */
export function refusalOf(cloud: Cloud, host: string, others: readonly string[] = []): string {
  const sovereign = sovereignClouds.find((other) => serviceOfHost(other, host) !== undefined)
  const reason =
    sovereign === undefined
      ? 'it is no host of Azure that the lab plays'
      : `the lab does not play ${sovereign.name} yet`
  const served = [cloud.login, cloud.resourceManager, cloud.graph, `*.${cloud.vaultSuffix}`, ...others].join(', ')
  return `The local Azure does not serve ${host}: ${reason}. It serves ${served}, and forwards nothing.\n`
}
