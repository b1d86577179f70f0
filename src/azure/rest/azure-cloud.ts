import { type Cloud, cloudFileReader, findCloud, parseCloudFile } from '#azure/identity'

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
 * that is missing or not an HTTPS URL.
 */
export function parseAzureCloudFile(text: string): AzureCloud {
  const { origin } = cloudFileReader(text)
  const resourceManager = origin('resourceManagerEndpoint')
  if (resourceManager === undefined) throw new Error('resourceManagerEndpoint is missing')
  // A cloud with AD FS has no Microsoft Graph; a caller of it there gets the public one's refusal.
  const graph = origin('microsoftGraphEndpoint') ?? 'https://graph.microsoft.com'
  return { ...parseCloudFile(text), resourceManager, graph }
}
