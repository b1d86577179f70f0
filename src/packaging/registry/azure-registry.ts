import { SecretValue } from '#lib'
import { parseJson, recordOf, stringOf } from '#lib/formats'
import type { HttpSend } from '#lib/http'
import type { RegistryCredentials } from './registry-client.ts'
import { RegistryError, refusal } from './registry-error.ts'

/** Hosts of Azure Container Registry. Nothing else is sent an Entra token. */
const azureHosts = /^[a-z0-9-]{5,100}(?:\.[a-z0-9-]{1,60}\.data|\.geo)?\.azurecr\.(?:io|cn|us)$/

export function isAzureRegistry(registry: string): boolean {
  return azureHosts.test(registry.toLowerCase())
}

export interface EntraExchange {
  registry: string
  /** For `https://containerregistry.azure.net`, or for Resource Manager. */
  entraToken: SecretValue
  /** Default: the tenant of the token. */
  tenantId?: string | undefined
  send: HttpSend
  signal?: AbortSignal | undefined
}

/**
 * Azure Container Registry gives a refresh token of its own for a token of Microsoft Entra. https://aka.ms/acr/auth/oauth
 * Throws {@link RegistryError}.
 */
export async function exchangeEntraToken(exchange: EntraExchange): Promise<RegistryCredentials> {
  const { registry, entraToken, tenantId, send, signal } = exchange
  const form = new URLSearchParams({
    grant_type: 'access_token',
    service: registry,
    ...(tenantId === undefined ? {} : { tenant: tenantId }),
    access_token: entraToken.revealText(),
  })
  const response = await send({
    method: 'POST',
    url: new URL(`https://${registry}/oauth2/exchange`),
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: form.toString(),
    signal,
  })
  if (response.status !== 200) throw refusal('sign-in with Microsoft Entra', registry, response)
  const token = stringOf(recordOf(parseJson(`the answer of ${registry}`, response.body))?.refresh_token)
  if (token === undefined) throw new RegistryError('refused', `sign-in with Microsoft Entra: ${registry} gave no token`)
  return { kind: 'refresh-token', token: SecretValue.of(token) }
}
