import { createHttpClient, type HttpClient, HttpFault } from '#lib/http'
import {
  createRegistryClient,
  dockerCredentials,
  exchangeEntraToken,
  isAzureRegistry,
  type Reference,
  type RegistryClient,
  type RegistryCredentials,
  RegistryError,
  type RegistryErrorCode,
} from '#packaging/registry'
import { CliError, type CliWorld } from '#terminal'
import { parseAzureFlags } from '../identity/azure-flags.ts'
import { openAzure } from '../identity/azure-session.ts'
import type { AzureFlags } from '../identity/sign-in-options.ts'

export interface RegistryTarget {
  /** Registry and repository. */
  at: Omit<Reference, 'tag'>
  plainHttp: boolean
  /** For an Azure Container Registry. */
  signIn: AzureFlags
  world: CliWorld
}

/** Runs something with a client of a repository. What the registry refuses is reported with a way to fix it. */
export async function withRegistry<T>(target: RegistryTarget, run: (client: RegistryClient) => Promise<T>): Promise<T> {
  const { at, plainHttp, world } = target
  const http = createHttpClient({ ...(await world.azureHttp()), timeoutMs: 60_000 })
  try {
    const credentials = () => credentialsFor(target, http)
    return await run(createRegistryClient({ ...at, plainHttp, send: http.send, credentials, signal: world.signal }))
  } catch (error) {
    if (error instanceof RegistryError) throw registryProblem(error, fixes[error.code](target), target)
    throw error instanceof HttpFault ? registryProblem(error, [], target) : error
  } finally {
    http.stop()
  }
}

/** What docker login has stored; else, for Azure's registry, what Entra gives. */
async function credentialsFor(target: RegistryTarget, http: HttpClient): Promise<RegistryCredentials | undefined> {
  const { at, signIn, world } = target
  const stored = await dockerCredentials(at.registry, {
    env: world.env,
    userHome: world.userHome,
    signal: world.signal,
  })
  if (stored !== undefined || !isAzureRegistry(at.registry)) return stored
  const settings = parseAzureFlags(signIn, world, { needsSubscription: false })
  const azure = await openAzure(settings, world)
  try {
    const entraToken = await azure.tokens.get(audienceIn(settings.cloud), world.signal)
    return await exchangeEntraToken({ registry: at.registry, entraToken, send: http.send, signal: world.signal })
  } finally {
    azure.stop()
  }
}

/** The registry's own audience, which works also where Resource Manager's is switched off; other clouds have that one only. */
function audienceIn({ name, resourceManager }: { name: string; resourceManager: string }): string {
  return name === 'AzurePublicCloud' ? 'https://containerregistry.azure.net' : resourceManager
}

const fixes: Record<RegistryErrorCode, (target: RegistryTarget) => string[]> = {
  unauthorized: ({ at: { registry } }) =>
    isAzureRegistry(registry)
      ? [`sign in: az acr login --name ${registry.split('.')[0]}`, 'or give your account the role AcrPush']
      : [`sign in: docker login ${registry} (or: crane auth login ${registry}, helm registry login ${registry})`],
  denied: ({ at: { registry } }) =>
    isAzureRegistry(registry)
      ? ['give your account the role AcrPush for this registry, and allow your address in its network settings']
      : ['sign in as a user who may push to this repository'],
  'not-found': () => ['create the repository first, or correct its name: some registries create none on push'],
  'name-invalid': () => ['choose another name: this registry has rules of its own for names'],
  'speaks-plain-http': () => ['for a registry without TLS: --plain-http'],
  'speaks-tls': () => ['leave out --plain-http: this registry speaks TLS'],
  'too-large': () => ['raise the size limit of the server or proxy before the registry'],
  refused: () => [],
}

function registryProblem(cause: Error, fix: readonly string[], { at: { registry, repository } }: RegistryTarget) {
  return new CliError({ what: `Cannot use ${registry}/${repository}`, why: cause.message, fix, cause })
}
