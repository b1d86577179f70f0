import type { AccessPolicy } from '../../keyvault/vaults.ts'

/** The change of a vault's policies by `accessPolicies/add`, `/replace` and `/remove`. */
export type AccessPolicyChange = (before: readonly AccessPolicy[], given: readonly AccessPolicy[]) => AccessPolicy[]

export const accessPolicyChanges: ReadonlyMap<string, AccessPolicyChange> = new Map([
  ['add', add],
  ['replace', replace],
  ['remove', remove],
])

const kinds = ['keys', 'secrets', 'certificates', 'storage'] as const

function add(before: readonly AccessPolicy[], given: readonly AccessPolicy[]): AccessPolicy[] {
  const extended = before.map((policy) => {
    const more = given.find((other) => isSamePrincipal(policy, other))
    return more === undefined ? policy : combine(policy, more, (a, b) => [...a, ...b.filter((word) => !has(a, word))])
  })
  return [...extended, ...given.filter((policy) => !before.some((other) => isSamePrincipal(policy, other)))]
}

function replace(before: readonly AccessPolicy[], given: readonly AccessPolicy[]): AccessPolicy[] {
  return [...before.filter((policy) => !given.some((other) => isSamePrincipal(policy, other))), ...given]
}

function remove(before: readonly AccessPolicy[], given: readonly AccessPolicy[]): AccessPolicy[] {
  return before
    .map((policy) => {
      const less = given.find((other) => isSamePrincipal(policy, other))
      return less === undefined ? policy : combine(policy, less, (a, b) => a.filter((word) => !has(b, word)))
    })
    .filter(({ permissions }) => kinds.some((kind) => (permissions[kind] ?? []).length > 0))
}

function combine(a: AccessPolicy, b: AccessPolicy, join: (a: string[], b: string[]) => string[]): AccessPolicy {
  const joined = kinds.map((kind) => [kind, join(a.permissions[kind] ?? [], b.permissions[kind] ?? [])])
  return { ...a, permissions: Object.fromEntries(joined) }
}

/** Permissions have no case. */
function has(words: readonly string[], word: string): boolean {
  return words.some((other) => other.toLowerCase() === word.toLowerCase())
}

function isSamePrincipal(a: AccessPolicy, b: AccessPolicy): boolean {
  return a.objectId.toLowerCase() === b.objectId.toLowerCase() && a.applicationId === b.applicationId
}
