import type { Credential } from '#azure/identity'
import { isUuid } from '#lib'
import { MountError } from './mount-error.ts'

/** Word for the node's system-assigned identity, where client ids are listed. */
export const systemAssigned = 'system-assigned'

/** Which managed identities of the node classes may sign in as: any, or those of a list of client ids, which may be empty. */
export type ManagedIdentityPolicy = 'any' | readonly string[]

/** Undefined for a text that is neither `any`, `none` nor a list of client ids. */
export function parseManagedIdentities(words: readonly string[]): ManagedIdentityPolicy | undefined {
  const list = words.map((word) => word.trim().toLowerCase()).filter((word) => word !== '')
  if (list.length === 1 && list[0] === 'any') return 'any'
  if (list.length === 1 && list[0] === 'none') return []
  const isIdentity = (word: string) => word === systemAssigned || isUuid(word)
  return list.length > 0 && list.every(isIdentity) ? list : undefined
}

/**
 * A managed identity belongs to the node and not to the pod: unlike every other way to sign in, nothing of the namespace
 * decides who may use it. Throws {@link MountError} for one that classes may not use.
 */
export function checkManagedIdentity(credential: Credential, policy: ManagedIdentityPolicy): void {
  if (credential.kind !== 'managed' || policy === 'any') return
  const id = credential.clientId?.toLowerCase() ?? systemAssigned
  if (policy.includes(id)) return
  const allowed = policy.length === 0 ? 'none' : policy.join(', ')
  throw new MountError(
    'managed-identity-not-allowed',
    `useVMManagedIdentity: the provider does not let classes sign in as ${id} (--managed-identities: ${allowed}); use workload identity, or ask the administrator of the cluster`,
  )
}
