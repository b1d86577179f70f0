import { valueAt } from '#lib/formats'
import { type ApiObject, recordsAt, textAt, textsAt } from '../api-object.ts'
import type { Store } from '../objects/store.ts'
import type { User } from './service-account-tokens.ts'

/** What a user wants to do: to a resource, or at a non-resource path. */
export type Attributes =
  | {
      verb: string
      group: string
      resource: string
      subresource: string
      /** Empty: all namespaces, or a kind without. */
      namespace: string
      name: string
    }
  | { verb: string; path: string }

const rbac = 'rbac.authorization.k8s.io'

/** Role based access control, from the roles and bindings in the store. https://kubernetes.io/docs/reference/access-authn-authz/rbac/ */
export function isAllowed(store: Store, user: User, wanted: Attributes): boolean {
  if (user.groups.includes('system:masters')) return true
  const namespace = 'path' in wanted ? '' : wanted.namespace
  const bindings = [
    ...store.list(`clusterrolebindings.${rbac}`),
    ...(namespace === '' ? [] : store.list(`rolebindings.${rbac}`, namespace)),
  ]
  return bindings
    .filter((binding) => recordsAt(binding, 'subjects').some((subject) => isSubject(subject, user)))
    .some((binding) => rulesOf(store, binding).some((rule) => ruleAllows(rule, wanted)))
}

function isSubject(subject: Record<string, unknown>, user: User): boolean {
  const name = textAt(subject, 'name')
  if (subject.kind === 'Group') return user.groups.includes(name)
  if (subject.kind === 'User') return user.name === name
  return user.name === `system:serviceaccount:${textAt(subject, 'namespace')}:${name}`
}

function rulesOf(store: Store, binding: ApiObject): Record<string, unknown>[] {
  const name = textAt(binding, 'roleRef', 'name')
  if (textAt(binding, 'roleRef', 'kind') === 'Role') {
    return recordsAt(store.get(`roles.${rbac}`, binding.metadata.namespace, name), 'rules')
  }
  return recordsAt(store.get(`clusterroles.${rbac}`, undefined, name), 'rules')
}

function ruleAllows(rule: Record<string, unknown>, wanted: Attributes): boolean {
  const has = (field: string, value: string) => textsAt(rule, field).some((one) => one === '*' || one === value)
  if (!has('verbs', wanted.verb)) return false
  if ('path' in wanted) {
    return textsAt(rule, 'nonResourceURLs').some((pattern) =>
      pattern.endsWith('*') ? wanted.path.startsWith(pattern.slice(0, -1)) : wanted.path === pattern,
    )
  }
  const { group, resource, subresource, name } = wanted
  const full = subresource === '' ? resource : `${resource}/${subresource}`
  const fits = has('resources', full) || (subresource !== '' && has('resources', `*/${subresource}`))
  const names = valueAt(rule, 'resourceNames')
  return has('apiGroups', group) && fits && (!Array.isArray(names) || names.length === 0 || names.includes(name))
}

/** Why a request is refused, in the words of a real API server. */
export function refusal(user: User, wanted: Attributes): string {
  if ('path' in wanted) return `forbidden: User "${user.name}" cannot ${wanted.verb} path "${wanted.path}"`
  const { verb, group, resource, subresource, namespace } = wanted
  const full = subresource === '' ? resource : `${resource}/${subresource}`
  const where = namespace === '' ? 'at the cluster scope' : `in the namespace "${namespace}"`
  return `User "${user.name}" cannot ${verb} resource "${full}" in API group "${group}" ${where}`
}
