import type { EventSubscription } from '../../events/event-subscriptions.ts'
import { eventGridLimits, subscriptionNamePattern } from '../../events/limits.ts'
import type { Namespaces } from '../../events/namespaces.ts'
import { Refusal } from '../../http/refusal.ts'
import type { StorageAccounts } from '../../storage/accounts.ts'
import { type ArmAnswer, type ArmCall, type ArmOperation, armOperation } from '../operation.ts'
import { checkLinkedPermission } from '../resource-identity.ts'
import { groupNameOf } from '../resource-path.ts'
import { checkRegistered } from '../resources/provider-operations.ts'
import {
  applySubscription,
  type GivenSubscription,
  patchSubscriptionBody,
  putSubscriptionBody,
  renderSubscription,
} from './event-subscription-body.ts'
import { namespaceTopicType } from './namespace-topic-operations.ts'
import {
  type EventGridOperationsOptions,
  existingSource,
  existingTopic,
  invalidRequest,
  keyVaultTopicType,
  onTopic,
  systemTopicType,
} from './system-topic-operations.ts'

export interface EventSubscriptionOptions extends EventGridOperationsOptions {
  accounts: StorageAccounts
  namespaces: Namespaces
}

/** Both forms of event subscriptions: below a system topic, and as an extension of the vault itself. */
interface Form {
  /** Counted names are `arm.WORD.put` and so on. */
  word: string
  type: string
  /** The path of the collection. */
  collection: string
  /** What the subscription is to: throws {@link Refusal} when that does not exist. */
  parentOf(options: EventSubscriptionOptions, call: ArmCall): Parent
}

interface Parent {
  /** Id of all its subscriptions, without the name. */
  prefix: string
  source: string
  topicId?: string | undefined
}

const ofSystemTopic: Form = {
  word: 'systemTopicEventSubscription',
  type: `${systemTopicType}/eventSubscriptions`,
  collection: `${onTopic}/eventsubscriptions`,
  parentOf(options, call) {
    const { id, source } = existingTopic(options, call)
    return { prefix: `${id}/eventSubscriptions/`, source, topicId: id }
  },
}

const asExtension: Form = {
  word: 'eventSubscription',
  type: 'Microsoft.EventGrid/eventSubscriptions',
  collection: '/:scope{.+}/providers/microsoft.eventgrid/eventsubscriptions',
  parentOf({ vaults }, { scope }) {
    if (!/\/providers\/Microsoft\.KeyVault\/vaults\/[^/]+$/i.test(scope)) {
      throw new Refusal(
        501,
        'NotImplemented',
        `The local Azure does not implement event subscriptions to '${scope}'. It has those to vaults and, at SYSTEMTOPIC/eventSubscriptions/NAME, to system topics.`,
      )
    }
    const { id } = existingSource(vaults, scope)
    return { prefix: `${id}/providers/Microsoft.EventGrid/eventSubscriptions/`, source: id }
  },
}

/** Event subscriptions. https://learn.microsoft.com/rest/api/eventgrid/controlplane/event-subscriptions */
export function eventSubscriptionOperations(options: EventSubscriptionOptions): ArmOperation[] {
  return [...[ofSystemTopic, asExtension].flatMap((form) => operationsOf(options, form)), ...regionalLists(options)]
}

function operationsOf(options: EventSubscriptionOptions, form: Form): ArmOperation[] {
  const { word, type, collection } = form
  const one = `${collection}/:subscriptionName`
  const row = (verb: string, method: ArmOperation['method'], path: string, right: string, run: ArmOperation['run']) =>
    armOperation(`arm.${word}.${verb}`, method, path, `${type}/${right}`, run)
  const existing = (call: ArmCall) => existingSubscription(options, form, call)
  return [
    row('put', 'PUT', one, 'write', (call) => put(options, form, call)),
    row('update', 'PATCH', one, 'write', (call) => update(options, form, call)),
    row('get', 'GET', one, 'read', (call) => ({ status: 200, body: renderSubscription(existing(call), type) })),
    row('delete', 'DELETE', one, 'delete', (call) => remove(options, form, call)),
    row('list', 'GET', collection, 'read', (call) => list(options, form, call)),
    // A queue has no URL that Event Grid calls, and no attributes of a delivery.
    row('getFullUrl', 'POST', `${one}/getfullurl`, 'getFullUrl/action', (call) => {
      existing(call)
      return { status: 200, body: { endpointUrl: null } }
    }),
    row('getDeliveryAttributes', 'POST', `${one}/getdeliveryattributes`, 'getDeliveryAttributes/action', (call) => {
      existing(call)
      return { status: 200, body: { value: [] } }
    }),
  ]
}

async function put(options: EventSubscriptionOptions, form: Form, call: ArmCall): Promise<ArmAnswer> {
  checkRegistered(options.providers, 'Microsoft.EventGrid')
  const parent = form.parentOf(options, call)
  const { properties } = await call.body(putSubscriptionBody)
  const id = idOf(parent, call)
  const before = options.eventGrid.subscriptions.get(id)
  if (before === undefined) checkNew(options, call.name('subscriptionName'), parent)
  return store(options, form, call, {
    id: before?.id ?? id,
    name: before?.name ?? call.name('subscriptionName'),
    source: parent.source,
    topicId: parent.topicId,
    ...applySubscription(properties, undefined),
  })
}

function idOf({ prefix }: Parent, call: ArmCall): string {
  return `${prefix}${call.name('subscriptionName')}`
}

function checkNew({ eventGrid }: EventSubscriptionOptions, name: string, { source }: Parent): void {
  if (!subscriptionNamePattern.test(name)) {
    throw invalidRequest(
      `The event subscription name '${name}' is invalid: it has 3 to 64 letters, digits and hyphens.`,
    )
  }
  const { value: most } = eventGridLimits.subscriptions
  if (eventGrid.ofSource(source).length < most) return
  throw new Refusal(
    409,
    'ResourceQuotaExceeded',
    `The local Azure keeps at most ${most} event subscriptions of a vault.`,
  )
}

/** Every write is answered with 201, as Event Grid does. */
function store(options: EventSubscriptionOptions, form: Form, call: ArmCall, given: EventSubscription): ArmAnswer {
  const subscription = {
    ...given,
    destination: { ...given.destination, ...checkDestination(options, form, call, given) },
  }
  checkIdentity(options, given)
  options.store.commit([options.eventGrid.subscriptions.put(subscription)])
  return { status: 201, body: renderSubscription(subscription, form.type) }
}

/** The account or topic must exist and be the caller's to write to, so that no caller floods the queue of another. */
function checkDestination(
  options: EventSubscriptionOptions,
  form: Form,
  call: ArmCall,
  { destination, identity }: EventSubscription,
): { resourceId: string } {
  const { resourceId } = destination
  const isTopic = destination.endpointType === 'NamespaceTopic'
  if (isTopic && identity === undefined) throw needsIdentity()
  const found = isTopic ? options.namespaces.topics.get(resourceId) : options.accounts.byId(resourceId)
  if (found === undefined) {
    const what = isTopic ? 'the topic of a namespace' : 'a storage account'
    throw invalidRequest(`The destination '${resourceId}' is not ${what} that exists.`)
  }
  checkLinkedPermission(call, `${form.type}/write`, {
    action: isTopic ? `${namespaceTopicType}/write` : 'Microsoft.Storage/storageAccounts/write',
    resourceId: found.id,
  })
  return { resourceId: found.id }
}

function needsIdentity(): Refusal {
  return new Refusal(
    501,
    'NotImplemented',
    'The local Azure delivers to topics of namespaces with an identity only: use deliveryWithResourceIdentity.',
  )
}

function checkIdentity({ eventGrid }: EventSubscriptionOptions, { identity, topicId }: EventSubscription): void {
  if (identity === undefined) return
  const topic = eventGrid.topics.get(topicId ?? '')
  const { userAssignedIdentity = '' } = identity
  const isThere =
    identity.type === 'SystemAssigned'
      ? topic?.systemPrincipalId !== undefined
      : topic?.identityIds.some((id) => id.toLowerCase() === userAssignedIdentity.toLowerCase())
  if (isThere === true) return
  const where = topic === undefined ? 'a vault cannot deliver events: use a system topic' : `'${topic.id}' has none`
  throw invalidRequest(`The delivery needs an identity of the type '${identity.type}', and ${where}.`)
}

async function update(options: EventSubscriptionOptions, form: Form, call: ArmCall): Promise<ArmAnswer> {
  const given: GivenSubscription = await call.body(patchSubscriptionBody)
  const before = existingSubscription(options, form, call)
  return store(options, form, call, { ...before, ...applySubscription(given, before) })
}

function existingSubscription(options: EventSubscriptionOptions, form: Form, call: ArmCall): EventSubscription {
  const subscription = options.eventGrid.subscriptions.get(idOf(form.parentOf(options, call), call))
  if (subscription !== undefined) return subscription
  const name = call.name('subscriptionName')
  throw new Refusal(404, 'ResourceNotFound', `The Resource '${form.type}/${name}' was not found.`)
}

function remove(options: EventSubscriptionOptions, form: Form, call: ArmCall): ArmAnswer {
  const { store, eventGrid } = options
  const subscription = eventGrid.subscriptions.get(idOf(form.parentOf(options, call), call))
  if (subscription === undefined) return { status: 204 }
  store.commit([eventGrid.subscriptions.remove(subscription)])
  return { status: 200 }
}

function list(options: EventSubscriptionOptions, form: Form, call: ArmCall): ArmAnswer {
  const { source, topicId } = form.parentOf(options, call)
  return listed(options.eventGrid.ofSource(source).filter((subscription) => subscription.topicId === topicId))
}

function listed(subscriptions: readonly EventSubscription[]): ArmAnswer {
  const value = subscriptions.map((subscription) => {
    const { type } = subscription.topicId === undefined ? asExtension : ofSystemTopic
    return renderSubscription(subscription, type)
  })
  return { status: 200, body: { value } }
}

const ofLocations = 'Microsoft.EventGrid/locations'

/** All subscriptions of a region, in the subscription or a group, of every type or of one. */
function regionalLists({ eventGrid, vaults }: EventSubscriptionOptions): ArmOperation[] {
  const run = (call: ArmCall) => {
    const [location, group, topicType] = ['location', 'group', 'topicType'].map((name) => call.name(name).toLowerCase())
    if (topicType !== '' && topicType !== keyVaultTopicType.toLowerCase()) return listed([])
    return listed(
      vaults
        .all()
        .filter((vault) => vault.location === location)
        .filter(({ id }) => group === '' || groupNameOf(id)?.toLowerCase() === group)
        .flatMap(({ id }) => eventGrid.ofSource(id)),
    )
  }
  return ['/subscriptions/:subscription', '/subscriptions/:subscription/resourcegroups/:group'].flatMap((within) => {
    const inLocation = `${within}/providers/microsoft.eventgrid/locations/:location`
    const word = within.includes(':group') ? 'listByGroup' : 'listByRegion'
    return [
      armOperation(
        `arm.eventSubscription.${word}`,
        'GET',
        `${inLocation}/eventsubscriptions`,
        `${ofLocations}/eventSubscriptions/read`,
        run,
      ),
      armOperation(
        `arm.eventSubscription.${word}`,
        'GET',
        `${inLocation}/topictypes/:topicType/eventsubscriptions`,
        `${ofLocations}/topicTypes/eventSubscriptions/read`,
        run,
      ),
    ]
  })
}
