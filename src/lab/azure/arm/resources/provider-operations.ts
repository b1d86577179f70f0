import type { Tenant } from '../../directory/tenant.ts'
import { Refusal } from '../../http/refusal.ts'
import type { RecordStore } from '../../records/record-store.ts'
import { type ArmAnswer, type ArmCall, type ArmOperation, armOperation } from '../operation.ts'

/** Which resource providers the subscription has registered. */
export interface Providers {
  isRegistered(namespace: string): boolean
  all(): Provider[]
  get(namespace: string): Provider | undefined
  /** Durable at once. */
  setRegistered(provider: Provider, isRegistered: boolean): void
}

interface Provider {
  namespace: string
  /** Types of its resources that the lab has, with their newest API version. */
  types: readonly (readonly [type: string, apiVersion: string])[]
}

const eventGridVersion = '2025-02-15'

const providers: readonly Provider[] = [
  { namespace: 'Microsoft.Authorization', types: [['roleAssignments', '2022-04-01']] },
  {
    namespace: 'Microsoft.Compute',
    types: [
      ['virtualMachines', '2024-11-01'],
      ['virtualMachineScaleSets', '2024-11-01'],
    ],
  },
  { namespace: 'Microsoft.ContainerService', types: [['managedClusters', '2025-03-01']] },
  {
    namespace: 'Microsoft.EventGrid',
    types: [
      ['systemTopics', eventGridVersion],
      ['systemTopics/eventSubscriptions', eventGridVersion],
      ['eventSubscriptions', eventGridVersion],
      ['namespaces', eventGridVersion],
      ['namespaces/topics', eventGridVersion],
      ['namespaces/topics/eventSubscriptions', eventGridVersion],
    ],
  },
  { namespace: 'Microsoft.KeyVault', types: [['vaults', '2026-02-01']] },
  { namespace: 'Microsoft.ManagedIdentity', types: [['userAssignedIdentities', '2025-01-31-preview']] },
  { namespace: 'Microsoft.Resources', types: [['subscriptions/resourceGroups', '2024-11-01']] },
  { namespace: 'Microsoft.Storage', types: [['storageAccounts', '2025-08-01']] },
]

/** A new subscription of Azure has most of them; this one is registered by its users. */
const notRegisteredAtFirst: ReadonlySet<string> = new Set(['microsoft.eventgrid'])

export function createProviders(store: RecordStore): Providers {
  const collection = store.collection<{ isRegistered: boolean }>('resource-providers')
  const keyOf = (namespace: string) => namespace.toLowerCase()
  return {
    isRegistered: (namespace) =>
      collection.get(keyOf(namespace))?.isRegistered ?? !notRegisteredAtFirst.has(keyOf(namespace)),
    all: () => [...providers],
    get: (namespace) => providers.find((provider) => keyOf(provider.namespace) === keyOf(namespace)),
    setRegistered: ({ namespace }, isRegistered) => store.commit([collection.put(keyOf(namespace), { isRegistered })]),
  }
}

/** Throws {@link Refusal} as Azure does for a resource of a provider that the subscription has not registered. */
export function checkRegistered(providers: Providers, namespace: string): void {
  if (providers.isRegistered(namespace)) return
  throw new Refusal(
    409,
    'MissingSubscriptionRegistration',
    `The subscription is not registered to use namespace '${namespace}'. See https://aka.ms/rps-not-found for how to register subscriptions.`,
  )
}

const inSubscription = '/subscriptions/:subscription/providers'
const read = 'Microsoft.Resources/subscriptions/providers/read'

/** Resource providers and their registration. https://learn.microsoft.com/rest/api/resources/providers */
export function providerOperations(options: { providers: Providers; tenant: Tenant }): ArmOperation[] {
  const { providers } = options
  const row = armOperation
  return [
    row('arm.provider.list', 'GET', inSubscription, read, () => ({
      status: 200,
      body: { value: providers.all().map((provider) => render(options, provider)) },
    })),
    row('arm.provider.get', 'GET', `${inSubscription}/:provider`, read, (call) => ({
      status: 200,
      body: render(options, existing(providers, call)),
    })),
    ...(['register', 'unregister'] as const).map((word) =>
      row(
        `arm.provider.${word}`,
        'POST',
        `${inSubscription}/:provider/${word}`,
        `Microsoft.Resources/subscriptions/providers/${word}/action`,
        (call): ArmAnswer => {
          const provider = existing(providers, call)
          providers.setRegistered(provider, word === 'register')
          return { status: 200, body: render(options, provider) }
        },
      ),
    ),
  ]
}

function existing(providers: Providers, call: ArmCall): Provider {
  const namespace = call.name('provider')
  const provider = providers.get(namespace)
  if (provider !== undefined) return provider
  throw new Refusal(404, 'InvalidResourceNamespace', `The resource namespace '${namespace}' is invalid.`)
}

function render({ providers, tenant }: { providers: Providers; tenant: Tenant }, { namespace, types }: Provider) {
  return {
    id: `/subscriptions/${tenant.subscriptionId}/providers/${namespace}`,
    namespace,
    resourceTypes: types.map(([resourceType, apiVersion]) => ({
      resourceType,
      locations: [],
      apiVersions: [apiVersion],
      capabilities: 'None',
    })),
    registrationState: providers.isRegistered(namespace) ? 'Registered' : 'NotRegistered',
    registrationPolicy: 'RegistrationRequired',
  }
}
