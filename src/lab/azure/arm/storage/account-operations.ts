import { z } from 'zod'
import type { Clock } from '#lib'
import type { RoleAssignments } from '../../access/role-assignments.ts'
import { Refusal } from '../../http/refusal.ts'
import type { Cloud } from '../../proxy/clouds.ts'
import type { RecordStore } from '../../records/record-store.ts'
import {
  newStorageKey,
  type StorageAccount,
  type StorageAccounts,
  accountType as type,
} from '../../storage/accounts.ts'
import { accountNamePattern, storageLimits } from '../../storage/limits.ts'
import { existing, groupResourceOperations, pathsOf, resourceIdOf } from '../group-resources.ts'
import { type ArmAnswer, type ArmCall, type ArmOperation, armOperation } from '../operation.ts'
import type { ResourceKind } from '../resource-kind.ts'
import { resolveLocation } from '../validate.ts'
import { applyAccountProperties, patchAccountBody, putAccountBody, renderAccount } from './account-body.ts'

export interface AccountOptions {
  store: RecordStore
  cloud: Cloud
  accounts: StorageAccounts
  roles: RoleAssignments
  clock: Clock
}

const onAccount = pathsOf(type).one

const checkNameBody = z.object({ name: z.string(), type: z.string() })
const regenerateBody = z.object({ keyName: z.enum(['key1', 'key2']) })

/** Storage accounts. https://learn.microsoft.com/rest/api/storagerp/storage-accounts */
export function accountOperations(options: AccountOptions): ArmOperation[] {
  const row = armOperation
  return [
    ...groupResourceOperations<StorageAccount>({
      ...kindOf(options),
      operation: 'arm.storageAccount',
      all: options.accounts.all,
      render: (account) => render(options, account),
      put: (call) => put(options, call),
      update: (call) => update(options, call),
      remove: (account) => remove(options, account),
    }),
    row('arm.storageAccount.listKeys', 'POST', `${onAccount}/listkeys`, `${type}/listkeys/action`, (call) => ({
      status: 200,
      body: renderKeys(existing(kindOf(options), call)),
    })),
    row(
      'arm.storageAccount.regenerateKey',
      'POST',
      `${onAccount}/regeneratekey`,
      `${type}/regeneratekey/action`,
      (call) => regenerateKey(options, call),
    ),
    row(
      'arm.storageAccount.checkName',
      'POST',
      '/subscriptions/:subscription/providers/microsoft.storage/checknameavailability',
      'Microsoft.Storage/checknameavailability/read',
      async (call) => ({ status: 200, body: availability(options, (await call.body(checkNameBody)).name) }),
    ),
  ]
}

async function put(options: AccountOptions, call: ArmCall): Promise<ArmAnswer> {
  const { location, tags, sku, kind, properties: given } = await call.body(putAccountBody)
  const before = find(options, call)
  const name = call.name('name')
  if (before === undefined) checkNewName(options, name)
  const now = new Date(options.clock.now()).toISOString()
  const account: StorageAccount = {
    id: before?.id ?? resourceIdOf(type, call),
    name,
    location: resolveLocation(location, before),
    tags,
    sku: sku.name,
    kind,
    keys: before?.keys ?? [newStorageKey('key1', now), newStorageKey('key2', now)],
    properties: applyAccountProperties(given ?? {}, before?.properties),
    createdAt: before?.createdAt ?? now,
  }
  return stored(options, account)
}

function kindOf(options: AccountOptions) {
  return { type, find: (call: ArmCall) => find(options, call) }
}

function find({ accounts }: AccountOptions, call: ArmCall): StorageAccount | undefined {
  return accounts.byId(resourceIdOf(type, call))
}

function checkNewName({ accounts }: AccountOptions, name: string): void {
  const problem = nameProblem(accounts, name)
  if (problem !== undefined) throw problem
  const { value: most } = storageLimits.accounts
  if (accounts.all().length < most) return
  throw new Refusal(
    409,
    'MaxStorageAccountsCountPerSubscriptionExceeded',
    `The local Azure keeps at most ${most} storage accounts.`,
  )
}

function nameProblem(accounts: StorageAccounts, name: string): Refusal | undefined {
  if (!accountNamePattern.test(name)) {
    return new Refusal(
      400,
      'AccountNameInvalid',
      `${name} is not a valid storage account name. Storage account name must be between 3 and 24 characters in length and use numbers and lower-case letters only.`,
    )
  }
  if (accounts.get(name) === undefined) return undefined
  return new Refusal(409, 'StorageAccountAlreadyTaken', `The storage account named ${name} is already taken.`)
}

function availability({ accounts }: AccountOptions, name: string) {
  const problem = nameProblem(accounts, name)
  if (problem === undefined) return { nameAvailable: true }
  const reason = problem.status === 400 ? 'AccountNameInvalid' : 'AlreadyExists'
  return { nameAvailable: false, reason, message: problem.message }
}

function stored(options: AccountOptions, account: StorageAccount): ArmAnswer {
  options.store.commit([options.accounts.put(account)])
  return { status: 200, body: render(options, account) }
}

function render({ cloud }: AccountOptions, account: StorageAccount) {
  return renderAccount(account, type, `https://${account.name}.queue.${cloud.storageSuffix}/`)
}

async function update(options: AccountOptions, call: ArmCall): Promise<ArmAnswer> {
  const { tags, sku, kind, properties: given } = await call.body(patchAccountBody)
  const before = existing(kindOf(options), call)
  return stored(options, {
    ...before,
    tags: tags ?? before.tags,
    sku: sku?.name ?? before.sku,
    kind: kind ?? before.kind,
    properties: applyAccountProperties(given ?? {}, before.properties),
  })
}

function remove(options: AccountOptions, account: StorageAccount): ArmAnswer {
  options.store.commit([...options.accounts.remove(account), ...options.roles.removeUnder(account.id)])
  return { status: 200 }
}

function renderKeys({ keys }: StorageAccount) {
  return { keys: keys.map((key) => ({ ...key, permissions: 'FULL' })) }
}

async function regenerateKey(options: AccountOptions, call: ArmCall): Promise<ArmAnswer> {
  const { keyName } = await call.body(regenerateBody)
  const before = existing(kindOf(options), call)
  const fresh = newStorageKey(keyName, new Date(options.clock.now()).toISOString())
  const account = { ...before, keys: before.keys.map((key) => (key.keyName === keyName ? fresh : key)) }
  options.store.commit([options.accounts.put(account)])
  return { status: 200, body: renderKeys(account) }
}

/** Storage accounts as a kind of resource, for the groups that contain them. */
export function accountKind(accounts: StorageAccounts): ResourceKind {
  return {
    type,
    all: () => accounts.all().map(({ id, name, location, tags }) => ({ id, name, type, location, tags })),
    delete(id) {
      const account = accounts.byId(id)
      return account === undefined ? [] : accounts.remove(account)
    },
  }
}
