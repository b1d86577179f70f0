import type { AccessPolicy } from '../../keyvault/vaults.ts'

/** How `accessPolicies/add`, `/replace` and `/remove` change a vault's list. */
export type AccessPolicyChange = (before: readonly AccessPolicy[], given: readonly AccessPolicy[]) => AccessPolicy[]

export const accessPolicyChanges: ReadonlyMap<string, AccessPolicyChange> = new Map([
  ['add', add],
  ['replace', replace],
  ['remove', remove],
])

const kinds = ['keys', 'secrets', 'certificates', 'storage'] as const

function add(before: readonly AccessPolicy[], given: readonly AccessPolicy[]): AccessPolicy[] {
  const known = before.map((policy) => {
    const more = given.find((other) => isSameHolder(policy, other))
    return more === undefined ? policy : combine(policy, more, (a, b) => [...a, ...b.filter((word) => !has(a, word))])
  })
  return [...known, ...given.filter((policy) => !before.some((other) => isSameHolder(policy, other)))]
}

function replace(before: readonly AccessPolicy[], given: readonly AccessPolicy[]): AccessPolicy[] {
  return [...before.filter((policy) => !given.some((other) => isSameHolder(policy, other))), ...given]
}

function remove(before: readonly AccessPolicy[], given: readonly AccessPolicy[]): AccessPolicy[] {
  return before
    .map((policy) => {
      const less = given.find((other) => isSameHolder(policy, other))
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

function isSameHolder(a: AccessPolicy, b: AccessPolicy): boolean {
  return a.objectId.toLowerCase() === b.objectId.toLowerCase() && a.applicationId === b.applicationId
}
