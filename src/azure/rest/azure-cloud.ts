import { type Cloud, findCloud, parseCloudFile } from '#azure/identity'
import { withoutEnd, withoutUserInfo } from '#lib'

/** One Azure cloud with the services that this part calls. Origins and resources have no trailing slash. */
export interface AzureCloud extends Cloud {
  /** Origin of Resource Manager; also the resource that tokens for it are made for. */
  resourceManager: string
  /** Origin of Microsoft Graph; also the resource of its tokens. */
  graph: string
}

/** https://learn.microsoft.com/graph/deployments, https://learn.microsoft.com/azure/azure-government/compare-azure-government-global-azure */
const services: Record<string, Pick<AzureCloud, 'resourceManager' | 'graph'>> = {
  AzurePublicCloud: { resourceManager: 'https://management.azure.com', graph: 'https://graph.microsoft.com' },
  AzureUSGovernmentCloud: {
    resourceManager: 'https://management.usgovcloudapi.net',
    graph: 'https://graph.microsoft.us',
  },
  AzureChinaCloud: {
    resourceManager: 'https://management.chinacloudapi.cn',
    graph: 'https://microsoftgraph.chinacloudapi.cn',
  },
  AzureGermanCloud: { resourceManager: 'https://management.microsoftazure.de', graph: 'https://graph.microsoft.de' },
}

/** The built-in cloud of that name or alias (any case); an empty name is the public cloud. */
export function findAzureCloud(name: string): AzureCloud | undefined {
  const cloud = findCloud(name)
  const found = cloud === undefined ? undefined : services[cloud.name]
  return cloud === undefined || found === undefined ? undefined : { ...cloud, ...found }
}

/**
 * The cloud of an environment file of the Azure Stack form (`AZURE_ENVIRONMENT_FILEPATH`). Throws with the name of the key
 * that is missing or no HTTPS URL.
 */
export function parseAzureCloudFile(text: string): AzureCloud {
  const cloud = parseCloudFile(text)
  const members = new Map(
    Object.entries(JSON.parse(text) as object).map(([key, value]) => [key.toLowerCase(), value as unknown]),
  )
  const origin = (name: string): string => {
    const value = members.get(name.toLowerCase())
    if (typeof value === 'string' && URL.canParse(value) && new URL(value).protocol === 'https:') {
      return withoutEnd(value, '/')
    }
    const shown = typeof value === 'string' ? withoutUserInfo(value) : value
    throw new Error(`${name}: found ${JSON.stringify(shown)}, expected a URL that begins with https://`)
  }
  // A cloud with AD FS has no Microsoft Graph; whoever calls it there gets the public one's refusal.
  const graph = members.has('microsoftgraphendpoint') ? origin('microsoftGraphEndpoint') : 'https://graph.microsoft.com'
  return { ...cloud, resourceManager: origin('resourceManagerEndpoint'), graph }
}
