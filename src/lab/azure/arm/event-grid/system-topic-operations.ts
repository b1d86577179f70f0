import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import type { RoleAssignments } from '../../access/role-assignments.ts'
import type { Directory } from '../../directory/directory.ts'
import type { Tenant } from '../../directory/tenant.ts'
import type { EventGridRecords, SystemTopic } from '../../events/event-subscriptions.ts'
import { eventGridLimits, topicNamePattern } from '../../events/limits.ts'
import { Refusal } from '../../http/refusal.ts'
import type { Vault, Vaults } from '../../keyvault/vaults.ts'
import type { RecordStore } from '../../records/record-store.ts'
import { existing, groupResourceOperations, pathsOf, resourceIdOf } from '../group-resources.ts'
import type { Identities } from '../managed-identity/identities.ts'
import type { ArmAnswer, ArmCall, ArmOperation } from '../operation.ts'
import { applyIdentity, type GivenIdentity, identitySchema, renderIdentity } from '../resource-identity.ts'
import { type ResourceKind, resourceFields } from '../resource-kind.ts'
import { checkRegistered, type Providers } from '../resources/provider-operations.ts'
import { locationSchema, resolveLocation, tagsSchema } from '../validate.ts'

export interface EventGridOperationsOptions {
  store: RecordStore
  tenant: Tenant
  directory: Directory
  identities: Identities
  eventGrid: EventGridRecords
  providers: Providers
  vaults: Vaults
  roles: RoleAssignments
}

export const systemTopicType = 'Microsoft.EventGrid/systemTopics'
const type = systemTopicType
/** The one type of topic that the lab has. */
export const keyVaultTopicType = 'Microsoft.KeyVault.vaults'

export const onTopic = pathsOf(type).one

const putBody = z.object({
  location: locationSchema.optional(),
  tags: tagsSchema,
  identity: identitySchema.nullish(),
  properties: z.object({ source: z.string().min(1).max(1024), topicType: z.string().min(1).max(256) }),
})
const patchBody = z.object({ tags: z.record(z.string(), z.string()).nullish(), identity: identitySchema.nullish() })

/** System topics: the events of an Azure resource as a resource. https://learn.microsoft.com/rest/api/eventgrid/controlplane/system-topics */
export function systemTopicOperations(options: EventGridOperationsOptions): ArmOperation[] {
  return groupResourceOperations<SystemTopic>({
    ...kindOf(options),
    operation: 'arm.systemTopic',
    all: options.eventGrid.topics.all,
    render: (topic) => render(options, topic),
    put: (call) => put(options, call),
    update: (call) => update(options, call),
    remove: (topic) => remove(options, topic),
  })
}

function kindOf(options: EventGridOperationsOptions) {
  return { type, find: (call: ArmCall) => find(options, call) }
}

async function put(options: EventGridOperationsOptions, call: ArmCall): Promise<ArmAnswer> {
  checkRegistered(options.providers, 'Microsoft.EventGrid')
  const { location, tags, identity, properties } = await call.body(putBody)
  const before = find(options, call)
  const source = sourceOf(options, properties)
  checkSource(options, source, before)
  if (before === undefined) checkNew(options, call.name('name'))
  const given = resolveLocation(location, before)
  if (given !== source.location) {
    throw invalidRequest(
      `The location of a system topic is that of its source: found '${given}', expected '${source.location}'.`,
    )
  }
  const topic: SystemTopic = {
    id: before?.id ?? resourceIdOf(type, call),
    name: before?.name ?? call.name('name'),
    location: given,
    tags,
    source: source.id,
    topicType: keyVaultTopicType,
    metricResourceId: before?.metricResourceId ?? randomUUID(),
    systemPrincipalId: before?.systemPrincipalId,
    identityIds: before?.identityIds ?? [],
  }
  return stored(options, call, before === undefined ? 201 : 200, topic, identity)
}

function find({ eventGrid }: EventGridOperationsOptions, call: ArmCall): SystemTopic | undefined {
  return eventGrid.topics.get(resourceIdOf(type, call))
}

function sourceOf(
  { vaults }: EventGridOperationsOptions,
  { source, topicType }: { source: string; topicType: string },
): Vault {
  if (topicType.toLowerCase() !== keyVaultTopicType.toLowerCase()) {
    throw new Refusal(
      501,
      'NotImplemented',
      `The local Azure does not implement system topics of the type '${topicType}'. It has ${keyVaultTopicType}.`,
    )
  }
  return existingSource(vaults, source)
}

/** The vault with this resource id. Throws {@link Refusal}. */
export function existingSource(vaults: Vaults, source: string): Vault {
  const vault = vaults.get(source.slice(source.lastIndexOf('/') + 1))
  if (vault !== undefined && vault.id.toLowerCase() === source.toLowerCase()) return vault
  throw new Refusal(400, 'InvalidRequest', `The source '${source}' is not a vault that exists.`)
}

/** One topic for each source, which cannot change. */
function checkSource({ eventGrid }: EventGridOperationsOptions, source: Vault, before: SystemTopic | undefined): void {
  const isSource = (topic: SystemTopic) => topic.source.toLowerCase() === source.id.toLowerCase()
  if (before !== undefined && !isSource(before)) {
    throw invalidRequest(`The source of the system topic '${before.name}' cannot change: it is '${before.source}'.`)
  }
  const other = eventGrid.topics.all().find((topic) => isSource(topic) && topic.id !== before?.id)
  if (other === undefined) return
  throw invalidRequest(
    `Only one system topic is allowed per source: '${source.id}' already has the system topic '${other.id}'.`,
  )
}

function checkNew({ eventGrid }: EventGridOperationsOptions, name: string): void {
  if (!topicNamePattern.test(name)) {
    throw invalidRequest(`The system topic name '${name}' is invalid: it has 3 to 128 letters, digits and hyphens.`)
  }
  const { value: most } = eventGridLimits.systemTopics
  if (eventGrid.topics.all().length < most) return
  throw new Refusal(409, 'ResourceQuotaExceeded', `The local Azure keeps at most ${most} system topics.`)
}

function stored(
  options: EventGridOperationsOptions,
  call: ArmCall,
  status: number,
  topic: SystemTopic,
  given: GivenIdentity | null | undefined,
): ArmAnswer {
  const { resource, changes } = applyIdentity({ ...options, type }, call, topic, given)
  options.store.commit([...changes, options.eventGrid.topics.put(resource)])
  return { status, body: render(options, resource) }
}

async function update(options: EventGridOperationsOptions, call: ArmCall): Promise<ArmAnswer> {
  const { tags, identity } = await call.body(patchBody)
  const before = existingTopic(options, call)
  return stored(options, call, 200, { ...before, tags: tags ?? before.tags }, identity)
}

/** The system topic in the path, for its own operations and those of its subscriptions. Throws {@link Refusal}. */
export function existingTopic(options: EventGridOperationsOptions, call: ArmCall): SystemTopic {
  return existing(kindOf(options), call)
}

function remove({ store, eventGrid, roles }: EventGridOperationsOptions, topic: SystemTopic): ArmAnswer {
  store.commit([...eventGrid.removeTopic(topic), ...roles.removeUnder(topic.id)])
  return { status: 200 }
}

function render(options: EventGridOperationsOptions, topic: SystemTopic) {
  const { source, topicType, metricResourceId } = topic
  return {
    ...resourceFields(topic, type),
    identity: renderIdentity(options, topic),
    properties: { source, topicType, metricResourceId, provisioningState: 'Succeeded' },
  }
}

export function invalidRequest(message: string): Refusal {
  return new Refusal(400, 'InvalidRequest', message)
}

/** System topics as a kind of resource, for the groups that contain them. */
export function systemTopicKind(eventGrid: EventGridRecords): ResourceKind {
  return {
    type,
    all: () => eventGrid.topics.all().map(({ id, name, location, tags }) => ({ id, name, type, location, tags })),
    delete(id) {
      const topic = eventGrid.topics.get(id)
      return topic === undefined ? [] : eventGrid.removeTopic(topic)
    },
  }
}
