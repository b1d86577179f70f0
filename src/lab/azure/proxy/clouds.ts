/** Host names and audiences of an Azure cloud. */
export interface Cloud {
  name: string
  login: string
  resourceManager: string
  graph: string
  /** Vaults are `NAME.<suffix>`; their tokens' audience is `https://<suffix>`. */
  vaultSuffix: string
  /** Queues of storage accounts are at `NAME.queue.<suffix>`. */
  storageSuffix: string
  /** Event Grid namespaces are `NAME.REGION-1.<suffix>`; their tokens' audience is `https://<suffix>`. */
  eventGridSuffix: string
  /** Audience that Resource Manager accepts in addition to its own host. */
  legacyAudience: string
}

const publicCloud: Cloud = {
  name: 'AzureCloud',
  login: 'login.microsoftonline.com',
  resourceManager: 'management.azure.com',
  graph: 'graph.microsoft.com',
  vaultSuffix: 'vault.azure.net',
  storageSuffix: 'core.windows.net',
  eventGridSuffix: 'eventgrid.azure.net',
  legacyAudience: 'management.core.windows.net',
}

/** The sovereign clouds, which the lab names in its refusals and does not implement. https://learn.microsoft.com/azure/azure-government/compare-azure-government-global-azure */
export const sovereignClouds: readonly Cloud[] = [
  {
    name: 'AzureUSGovernment',
    login: 'login.microsoftonline.us',
    resourceManager: 'management.usgovcloudapi.net',
    graph: 'graph.microsoft.us',
    vaultSuffix: 'vault.usgovcloudapi.net',
    storageSuffix: 'core.usgovcloudapi.net',
    eventGridSuffix: 'eventgrid.azure.us',
    legacyAudience: 'management.core.usgovcloudapi.net',
  },
  {
    name: 'AzureChinaCloud',
    login: 'login.chinacloudapi.cn',
    resourceManager: 'management.chinacloudapi.cn',
    graph: 'microsoftgraph.chinacloudapi.cn',
    vaultSuffix: 'vault.azure.cn',
    storageSuffix: 'core.chinacloudapi.cn',
    eventGridSuffix: 'eventgrid.azure.cn',
    legacyAudience: 'management.core.chinacloudapi.cn',
  },
]

/** The cloud that the local Azure emulates. */
export const cloud: Cloud = publicCloud
