import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import type { RoleAssignments } from '../../access/role-assignments.ts'
import type { GridNamespace, Namespaces } from '../../events/namespaces.ts'
import { Refusal } from '../../http/refusal.ts'
import { maxCapacity, namespaceLimits, namespaceNamePattern } from '../../namespaces/limits.ts'
import type { RecordStore } from '../../records/record-store.ts'
import { existing, groupResourceOperations, pathsOf, resourceIdOf } from '../group-resources.ts'
import type { ArmAnswer, ArmCall, ArmOperation } from '../operation.ts'
import { type ResourceKind, resourceFields } from '../resource-kind.ts'
import { checkRegistered, type Providers } from '../resources/provider-operations.ts'
import { locationSchema, resolveLocation, tagsSchema } from '../validate.ts'
import { optional } from './event-subscription-body.ts'
import { invalidRequest } from './system-topic-operations.ts'

export interface NamespaceOptions {
  store: RecordStore
  namespaces: Namespaces
  roles: RoleAssignments
  providers: Providers
}

export const namespaceType = 'Microsoft.EventGrid/namespaces'
const type = namespaceType

export const onNamespace = pathsOf(type).one

/** Fields of properties that the lab does not have are refused: they would change where events go. */
const propertiesSchema = z.looseObject({
  publicNetworkAccess: optional(
    z
      .string()
      .transform((word) => word.toLowerCase())
      .pipe(z.enum(['enabled', 'disabled']))
      .transform((word) => (word === 'enabled' ? ('Enabled' as const) : ('Disabled' as const))),
  ),
  topicSpacesConfiguration: optional(z.looseObject({ state: z.string().optional() })),
})
const settings = {
  tags: tagsSchema,
  sku: optional(z.looseObject({ capacity: optional(z.number().int().min(1).max(maxCapacity)) })),
  properties: optional(propertiesSchema),
}
const putBody = z.object({ location: locationSchema.optional(), ...settings })
const patchBody = z.object({ ...settings, tags: optional(z.record(z.string().max(512), z.string().max(256))) })

/** Namespaces of Event Grid. https://learn.microsoft.com/rest/api/eventgrid/controlplane/namespaces */
export function namespaceOperations(options: NamespaceOptions): ArmOperation[] {
  return groupResourceOperations<GridNamespace>({
    ...kindOf(options),
    operation: 'arm.eventGridNamespace',
    all: options.namespaces.namespaces.all,
    render: (namespace) => render(options, namespace),
    put: (call) => put(options, call),
    update: (call) => update(options, call),
    remove(namespace) {
      const { store, namespaces, roles } = options
      store.commit([...namespaces.removeNamespace(namespace), ...roles.removeUnder(namespace.id)])
      return { status: 200 }
    },
  })
}

function kindOf({ namespaces }: Pick<NamespaceOptions, 'namespaces'>) {
  return { type, find: (call: ArmCall) => namespaces.namespaces.get(resourceIdOf(type, call)) }
}

/** The namespace in the path. Throws {@link Refusal}. */
export function existingNamespace(options: NamespaceOptions, call: ArmCall): GridNamespace {
  return existing(kindOf(options), call)
}

async function put(options: NamespaceOptions, call: ArmCall): Promise<ArmAnswer> {
  checkRegistered(options.providers, 'Microsoft.EventGrid')
  const { location, tags, sku, properties } = await call.body(putBody)
  const before = kindOf(options).find(call)
  checkProperties(properties)
  const namespace: GridNamespace = {
    id: before?.id ?? resourceIdOf(type, call),
    name: before?.name ?? call.name('name'),
    location: resolveLocation(location, before),
    tags,
    capacity: sku?.capacity ?? 1,
    publicNetworkAccess: properties?.publicNetworkAccess ?? 'Enabled',
    uid: before?.uid ?? randomUUID(),
  }
  if (before === undefined) checkNew(options, namespace)
  return stored(options, before === undefined ? 201 : 200, namespace)
}

async function update(options: NamespaceOptions, call: ArmCall): Promise<ArmAnswer> {
  const { tags, sku, properties } = await call.body(patchBody)
  const before = existingNamespace(options, call)
  checkProperties(properties)
  return stored(options, 200, {
    ...before,
    tags: tags ?? before.tags,
    capacity: sku?.capacity ?? before.capacity,
    publicNetworkAccess: properties?.publicNetworkAccess ?? before.publicNetworkAccess,
  })
}

function checkProperties(properties: z.output<typeof propertiesSchema> | undefined): void {
  if (properties?.topicSpacesConfiguration?.state?.toLowerCase() !== 'enabled') return
  throw new Refusal(501, 'NotImplemented', 'The local Azure does not implement topic spaces, which are MQTT.')
}

/** Names are unique in a region, because they are host names. */
function checkNew({ namespaces }: NamespaceOptions, namespace: GridNamespace): void {
  const { name } = namespace
  if (!namespaceNamePattern.test(name)) {
    throw invalidRequest(`The namespace name '${name}' is invalid: it has 3 to 50 letters, digits and hyphens.`)
  }
  if (namespaces.ofHost(namespaces.hostOf(namespace)) !== undefined) {
    throw new Refusal(409, 'ResourceAlreadyExists', `The namespace name '${name}' is already taken in this region.`)
  }
  const { value: most } = namespaceLimits.namespaces
  if (namespaces.namespaces.all().length < most) return
  throw new Refusal(409, 'ResourceQuotaExceeded', `The local Azure keeps at most ${most} namespaces.`)
}

function stored(options: NamespaceOptions, status: number, namespace: GridNamespace): ArmAnswer {
  options.store.commit([options.namespaces.namespaces.put(namespace)])
  return { status, body: render(options, namespace) }
}

function render({ namespaces }: Pick<NamespaceOptions, 'namespaces'>, namespace: GridNamespace) {
  const { capacity, publicNetworkAccess } = namespace
  return {
    ...resourceFields(namespace, type),
    sku: { name: 'Standard', capacity },
    properties: {
      provisioningState: 'Succeeded',
      topicsConfiguration: { hostname: namespaces.hostOf(namespace), customDomains: null },
      topicSpacesConfiguration: null,
      isZoneRedundant: false,
      minimumTlsVersionAllowed: '1.2',
      publicNetworkAccess,
      inboundIpRules: [],
      privateEndpointConnections: null,
    },
  }
}

/** Namespaces as a kind of resource, for the groups that contain them. */
export function namespaceKind(namespaces: Namespaces): ResourceKind {
  return {
    type,
    all: () => namespaces.namespaces.all().map((namespace) => resourceFields(namespace, type)),
    delete(id) {
      const namespace = namespaces.namespaces.get(id)
      return namespace === undefined ? [] : namespaces.removeNamespace(namespace)
    },
  }
}
