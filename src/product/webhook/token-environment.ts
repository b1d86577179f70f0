import type { EnvVar } from '#kubernetes/client'
import type { IdentityRequest } from './identity-request.ts'
import { caFile, tokenFile } from './token-volume.ts'
import type { WebhookSettings } from './webhook-settings.ts'

/** The variables that Azure SDKs read, in upstream's order; those without a value are left out. */
export function tokenEnvironment(request: IdentityRequest, settings: WebhookSettings): EnvVar[] {
  const variables = [
    { name: 'AZURE_CLIENT_ID', value: request.clientId },
    { name: 'AZURE_TENANT_ID', value: request.tenantId },
    { name: 'AZURE_FEDERATED_TOKEN_FILE', value: tokenFile },
    { name: 'AZURE_AUTHORITY_HOST', value: settings.authorityHost },
    ...(request.useTokenEndpoint ? endpointEnvironment(settings) : []),
  ]
  return variables.filter(({ value }) => value !== '')
}

/** SDKs refuse a CA file together with CA data, so only the one that is configured gets a variable. */
function endpointEnvironment({ tokenEndpoint }: WebhookSettings): { name: string; value: string }[] {
  if (tokenEndpoint === undefined) return []
  const { proxyUrl, sniName, trust } = tokenEndpoint
  return [
    { name: 'AZURE_KUBERNETES_TOKEN_PROXY', value: proxyUrl },
    { name: 'AZURE_KUBERNETES_SNI_NAME', value: sniName },
    {
      name: 'AZURE_KUBERNETES_CA_FILE',
      value: trust.kind === 'configMap' || trust.kind === 'trustBundle' ? caFile : '',
    },
    { name: 'AZURE_KUBERNETES_CA_DATA', value: trust.kind === 'data' ? trust.pem : '' },
  ]
}
