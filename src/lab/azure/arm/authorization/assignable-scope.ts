import { isWithin } from '../../access/role-assignments.ts'
import { Refusal } from '../../http/refusal.ts'
import { resourceNotFound } from '../error-response.ts'
import type { ResourceKind } from '../resource-kind.ts'
import type { ResourceGroups } from '../resources/resource-groups.ts'

export interface AssignableScopeOptions {
  subscriptionId: string
  groups: ResourceGroups
  kinds: readonly ResourceKind[]
}

const scopePattern =
  /^\/subscriptions\/([^/]+)(?:\/resourceGroups\/([^/]+)(?:\/providers\/([^/]+\/[^/]+)\/([^/]+)(?:\/.*)?)?)?$/i

/**
 * Throws {@link Refusal} unless a role can be assigned on this scope: a subscription, group or resource that exists, or a
 * part of a resource, such as a secret in a vault, whose existence Azure does not check either.
 */
export function checkAssignableScope(scope: string, { subscriptionId, groups, kinds }: AssignableScopeOptions): void {
  const [, subscription, group, type, name] = scopePattern.exec(scope) ?? []
  if (subscription === undefined) throw new Refusal(400, 'InvalidScope', `The scope '${scope}' is not valid.`)
  if (subscription.toLowerCase() !== subscriptionId) {
    throw new Refusal(404, 'SubscriptionNotFound', `The subscription '${subscription}' could not be found.`)
  }
  if (group === undefined) return
  if (groups.get(group) === undefined) {
    throw new Refusal(404, 'ResourceGroupNotFound', `Resource group '${group}' could not be found.`)
  }
  if (type === undefined || name === undefined) return
  const kind = kinds.find((each) => each.type.toLowerCase() === type.toLowerCase())
  const exists = kind?.all().some(({ id }) => isWithin(scope.toLowerCase(), id.toLowerCase()))
  if (exists !== true) throw resourceNotFound(type, name, group)
}
