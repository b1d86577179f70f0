import { z } from 'zod'
import { Refusal } from '../../http/refusal.ts'
import type { RecordStore } from '../../records/record-store.ts'
import { type ArmAnswer, type ArmCall, type ArmOperation, armOperation } from '../operation.ts'
import { resourceFields } from '../resource-kind.ts'
import { locationSchema, resolveLocation, tagsSchema } from '../validate.ts'
import type { GroupDeletion } from './delete-group.ts'
import type { ResourceGroup, ResourceGroups } from './resource-groups.ts'

export interface GroupOptions {
  store: RecordStore
  groups: ResourceGroups
  deletion: GroupDeletion
}

const onGroup = '/subscriptions/:subscription/resourcegroups/:group'
const type = 'Microsoft.Resources/subscriptions/resourceGroups'
const namePattern = /^[-\w._()]{1,90}$/

const putBody = z.object({ location: locationSchema.optional(), tags: tagsSchema })
const patchBody = z.object({ tags: z.record(z.string(), z.string()).optional() })

/** Resource groups. https://learn.microsoft.com/rest/api/resources/resource-groups */
export function groupOperations(options: GroupOptions): ArmOperation[] {
  return [
    {
      operation: 'arm.group.put',
      method: 'PUT',
      path: onGroup,
      action: `${type}/write`,
      createsGroup: true,
      run: (call) => put(options, call),
    },
    armOperation('arm.group.update', 'PATCH', onGroup, `${type}/write`, (call) => update(options, call)),
    armOperation('arm.group.get', 'GET', onGroup, `${type}/read`, (call) => ({
      status: 200,
      body: render(existing(options, call)),
    })),
    {
      operation: 'arm.group.exists',
      method: 'HEAD',
      path: onGroup,
      action: `${type}/read`,
      run(call) {
        existing(options, call)
        return { status: 204 }
      },
    },
    armOperation('arm.group.list', 'GET', '/subscriptions/:subscription/resourcegroups', 'filtered', (call) =>
      list(options, call),
    ),
    armOperation('arm.group.delete', 'DELETE', onGroup, `${type}/delete`, (call) => ({
      status: 202,
      headers: options.deletion.begin(existing(options, call)),
    })),
  ]
}

async function put({ store, groups }: GroupOptions, call: ArmCall): Promise<ArmAnswer> {
  const name = call.name('group')
  checkName(name)
  const { location, tags } = await call.body(putBody)
  const before = groups.get(name)
  const group: ResourceGroup = {
    id: before?.id ?? `/subscriptions/${call.name('subscription')}/resourceGroups/${name}`,
    name: before?.name ?? name,
    location: resolveLocation(location, before, 'resource group'),
    tags,
  }
  store.commit([groups.put(group)])
  return { status: before === undefined ? 201 : 200, body: render(group) }
}

function checkName(name: string): void {
  if (namePattern.test(name) && !name.endsWith('.')) return
  throw new Refusal(
    400,
    'InvalidResourceGroup',
    `The provided resource group name '${name}' is invalid: it may have up to 90 letters, digits, periods, underscores, hyphens and parentheses, and must not end with a period.`,
  )
}

async function update(options: GroupOptions, call: ArmCall): Promise<ArmAnswer> {
  const { tags } = await call.body(patchBody)
  const before = existing(options, call)
  const group = { ...before, tags: tags ?? before.tags }
  options.store.commit([options.groups.put(group)])
  return { status: 200, body: render(group) }
}

function existing({ groups }: GroupOptions, call: ArmCall): ResourceGroup {
  const group = groups.get(call.name('group'))
  if (group !== undefined) return group
  throw new Refusal(404, 'ResourceGroupNotFound', `Resource group '${call.name('group')}' could not be found.`)
}

function list({ groups }: GroupOptions, call: ArmCall): ArmAnswer {
  const readable = groups.all().filter(({ id }) => call.may(`${type}/read`, id))
  return { status: 200, body: { value: readable.map(render) } }
}

function render(group: ResourceGroup) {
  return {
    ...resourceFields(group, type),
    properties: { provisioningState: group.isDeleting === true ? 'Deleting' : 'Succeeded' },
  }
}
