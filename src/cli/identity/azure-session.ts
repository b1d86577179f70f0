import { type AzureClient, type AzureCloud, type AzureTokens, createAzureClient, createEntraTokens } from '#azure/rest'
import { createHttpClient, type HttpSend } from '#lib/http'
import { CliError, type CliWorld } from '#terminal'
import { createAzCli } from './az-cli.ts'
import type { AzureSettings } from './azure-flags.ts'
import { once } from './once.ts'

/** Azure, signed in according to the flags. Sends nothing before the first call. */
export interface AzureSession extends Pick<AzureClient, 'resourceManager' | 'graph' | 'service'> {
  readonly cloud: AzureCloud
  /** Throws {@link CliError} if none was given. */
  subscriptionId(): string
  /** The tenant of the subscription. */
  tenantId(): Promise<string>
  readonly tokens: AzureTokens
  /** Sends without credentials, with the proxy settings of the environment. */
  readonly send: HttpSend
  stop(): void
}

/**
 * Rejects with `ProblemsError` if the environment names certificates that cannot be read.
 *
 * @param timeoutMs of each request, with its repetitions. Default a minute.
 */
export async function openAzure(
  settings: AzureSettings,
  world: CliWorld,
  { timeoutMs = 60_000 }: { timeoutMs?: number } = {},
): Promise<AzureSession> {
  const { cloud, signIn, subscriptionId } = settings
  const http = createHttpClient({ ...(await world.azureHttp()), timeoutMs })
  // IMDS is never behind a proxy.
  const onNode = createHttpClient()
  // A sign-in has a signal of its own, which knows nothing of Ctrl-C.
  const send: HttpSend = (request) =>
    http.send({ ...request, signal: AbortSignal.any([world.signal, ...(request.signal ? [request.signal] : [])]) })
  const az = createAzCli(world, subscriptionId)
  const tenantId = once(async () => {
    if (settings.tenantId !== undefined) return settings.tenantId
    if (signIn.kind === 'cli') return (await az.account()).tenantId
    return discoverTenant(send, cloud, requireSubscription(subscriptionId))
  })
  const tokens: AzureTokens =
    signIn.kind === 'cli'
      ? az
      : createEntraTokens({
          cloud,
          credential: async () => signIn.credentialIn(await tenantId()),
          send,
          sendOnNode: onNode.send,
          // https://learn.microsoft.com/python/api/overview/azure/identity-readme#environment-variables
          imdsEndpoint: world.env.AZURE_POD_IDENTITY_AUTHORITY_HOST || undefined,
        })
  const { resourceManager, graph, service } = createAzureClient({
    ...{ cloud, tokens, send, deadlineMs: timeoutMs },
    signal: world.signal,
  })
  return {
    cloud,
    tokens,
    resourceManager,
    graph,
    service,
    subscriptionId: () => requireSubscription(subscriptionId),
    tenantId,
    send,
    stop() {
      http.stop()
      onNode.stop()
    },
  }
}

function requireSubscription(subscriptionId: string | undefined): string {
  if (subscriptionId !== undefined) return subscriptionId
  throw new CliError({
    what: 'No subscription is selected',
    fix: ['name it: --subscription-id ID', 'or select one: az account set --subscription ID'],
  })
}

/** To a request without a token, Resource Manager answers with the authority, which names the tenant of the subscription. */
async function discoverTenant(send: HttpSend, cloud: AzureCloud, subscriptionId: string): Promise<string> {
  const url = new URL(`${cloud.resourceManager}/subscriptions/${subscriptionId}?api-version=2022-12-01`)
  const { headers, status } = await send({ url })
  const tenant = /authorization_uri="[^"]*\/([^/"]+)"/.exec(headers['www-authenticate'] ?? '')?.[1]
  if (tenant !== undefined) return tenant
  throw new CliError({
    what: `The tenant of subscription ${subscriptionId} could not be found out`,
    why: status === 401 ? `${url.host} does not name it` : `${url.host} answered with status ${status}`,
    fix: ['name it: --tenant-id ID'],
  })
}
