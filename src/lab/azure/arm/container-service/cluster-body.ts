import { z } from 'zod'
import { Refusal } from '../../http/refusal.ts'
import { locationSchema, tagsSchema } from '../validate.ts'
import type { SecretsProviderSettings } from './cluster-backend.ts'

/** The body of a managed cluster. https://learn.microsoft.com/rest/api/aks/managed-clusters/create-or-update */

const switchSchema = z.looseObject({ enabled: z.boolean().nullish() }).nullish()

const addonSchema = z.looseObject({
  enabled: z.boolean(),
  config: z.record(z.string(), z.string().nullable()).nullish(),
})

/** The properties that the lab evaluates; the others are stored and returned. */
const properties = z.looseObject({
  kubernetesVersion: z.string().nullish(),
  dnsPrefix: z.string().nullish(),
  nodeResourceGroup: z.string().nullish(),
  networkProfile: z.looseObject({}).nullish(),
  agentPoolProfiles: z.array(z.looseObject({ name: z.string().min(1), count: z.number().int().nullish() })).nullish(),
  addonProfiles: z.record(z.string(), addonSchema.nullable()).nullish(),
  oidcIssuerProfile: switchSchema,
  securityProfile: z.looseObject({ workloadIdentity: switchSchema }).nullish(),
})
export type GivenProperties = z.output<typeof properties>

export const putClusterBody = z.object({
  location: locationSchema.optional(),
  tags: tagsSchema,
  sku: z.unknown().optional(),
  identity: z.looseObject({ type: z.string() }).nullish(),
  properties: properties.nullish().transform((given) => given ?? {}),
})

/** Name of the add-on that Keymount implements. */
export const secretsProviderAddon = 'azureKeyvaultSecretsProvider'

/** The add-on's settings, or undefined when it is off. */
export function secretsProviderOf({
  addonProfiles,
}: GivenProperties): Omit<SecretsProviderSettings, 'imds'> | undefined {
  const profile = addonProfiles?.[secretsProviderAddon]
  if (profile?.enabled !== true) return undefined
  return {
    rotation: profile.config?.enableSecretRotation?.toLowerCase() === 'true',
    rotationPollInterval: profile.config?.rotationPollInterval ?? '2m',
  }
}

/** The properties after a write, with the server's defaults. Throws {@link Refusal} for what the lab does not implement and for changes that cannot be undone. */
export function completeProperties(
  given: GivenProperties,
  before: GivenProperties | undefined,
  version: string,
): GivenProperties {
  refuseAddons(given)
  refuseVersion(given.kubernetesVersion ?? '', version)
  if (before?.oidcIssuerProfile?.enabled === true && given.oidcIssuerProfile?.enabled === false) {
    throw new Refusal(400, 'OIDCIssuerFeatureCannotBeDisabled', 'The OIDC issuer feature cannot be disabled.')
  }
  const pools = given.agentPoolProfiles ?? before?.agentPoolProfiles ?? []
  if (pools.length === 0) {
    throw new Refusal(400, 'InvalidParameter', 'Required parameter agentPoolProfiles is missing (null).')
  }
  return {
    ...before,
    ...given,
    kubernetesVersion: version,
    networkProfile: completeNetwork(given.networkProfile ?? before?.networkProfile),
    agentPoolProfiles: pools.map((pool) => completePool(pool, version)),
    addonProfiles: completeAddons(given.addonProfiles ?? before?.addonProfiles ?? {}),
  }
}

/** Azure's default network profile. Stored and returned only: pods of the lab use the machine's network. */
const defaultNetwork = {
  networkPlugin: 'azure',
  networkPluginMode: 'overlay',
  networkDataplane: 'azure',
  loadBalancerSku: 'standard',
  outboundType: 'loadBalancer',
  podCidr: '10.244.0.0/16',
  serviceCidr: '10.0.0.0/16',
  dnsServiceIP: '10.0.0.10',
  ipFamilies: ['IPv4'],
}

function completeNetwork(given: Record<string, unknown> | null | undefined): Record<string, unknown> {
  const wanted = Object.entries(given ?? {}).filter(([, value]) => value !== null && value !== '')
  return { ...defaultNetwork, ...Object.fromEntries(wanted) }
}

/** An empty text or 0 selects the server's default. */
function completePool(pool: Record<string, unknown> & { name: string }, version: string) {
  const or = (name: string, value: unknown) => pool[name] || value
  return {
    ...pool,
    count: Number(or('count', 1)),
    vmSize: or('vmSize', 'Standard_D2s_v3'),
    osDiskSizeGB: or('osDiskSizeGB', 128),
    osType: or('osType', 'Linux'),
    type: or('type', 'VirtualMachineScaleSets'),
    mode: or('mode', 'System'),
    orchestratorVersion: version,
    currentOrchestratorVersion: version,
    provisioningState: 'Succeeded',
    powerState: { code: 'Running' },
  }
}

/** Drops the add-on's identity, which the server sets, when a client sends it back. */
function completeAddons(addons: NonNullable<GivenProperties['addonProfiles']>) {
  const entries = Object.entries(addons).flatMap(([name, profile]) => {
    if (profile === null) return []
    const { enabled, config } = profile
    return [[name, { enabled, config: enabled ? (config ?? null) : null }] as const]
  })
  return Object.fromEntries(entries)
}

function refuseAddons({ addonProfiles }: GivenProperties): void {
  const on = Object.entries(addonProfiles ?? {}).filter(([, profile]) => profile?.enabled === true)
  const unknown = on.map(([name]) => name).find((name) => name !== secretsProviderAddon)
  if (unknown === undefined) return
  const message = `The local Azure does not implement the add-on ${unknown}: it implements ${secretsProviderAddon}.`
  throw new Refusal(501, 'NotImplemented', message)
}

function refuseVersion(wanted: string, version: string): void {
  if (wanted === '' || version === wanted || version.startsWith(`${wanted}.`)) return
  throw new Refusal(
    400,
    'K8sVersionNotSupported',
    `Managed cluster is on version ${version}, and version ${wanted} is not available: the local Azure has only ${version}.`,
  )
}
