/** `identity` of a virtual machine or scale set, as Resource Manager writes it. */
export interface MachineIdentity {
  type?: string | null
  userAssignedIdentities?: Record<string, unknown> | null
}

/** Body of a PATCH, which is a delta: an empty object adds, null removes. */
export interface IdentityPatch {
  type: string
  userAssignedIdentities: Record<string, Record<string, never> | null>
}

export interface IdentityDelta {
  /** Ids, in lower case. */
  add: readonly string[]
  remove: readonly string[]
}

/** Resource Manager's limit. */
const idsPerPatch = 150

/** Ids of the identities that a machine has, in lower case. */
export function assignedIds({ userAssignedIdentities }: MachineIdentity): Set<string> {
  return new Set(Object.keys(userAssignedIdentities ?? {}).map((id) => id.toLowerCase()))
}

/**
 * The PATCH requests, in order, that give a machine the identities of the delta; empty when it has them. An identity that is
 * both added and removed stays. The system-assigned identity is never changed.
 */
export function identityPatches(before: MachineIdentity, { add, remove }: IdentityDelta): IdentityPatch[] {
  const has = assignedIds(before)
  const adding = [...new Set(add)].filter((id) => !has.has(id))
  const removing = [...new Set(remove)].filter((id) => has.has(id) && !add.includes(id))
  // Additions first, so that a pod that starts does not wait for one that has ended.
  const delta = [...adding.map((id) => [id, {}] as const), ...removing.map((id) => [id, null] as const)]
  const patches: IdentityPatch[] = []
  for (let from = 0; from < delta.length; from += idsPerPatch) {
    const part = delta.slice(from, from + idsPerPatch)
    for (const [id, value] of part) {
      if (value === null) has.delete(id)
      else has.add(id)
    }
    patches.push({ type: typeWith(before, has.size > 0), userAssignedIdentities: Object.fromEntries(part) })
  }
  return patches
}

function typeWith({ type }: MachineIdentity, hasUserAssigned: boolean): string {
  const system = (type ?? '').toLowerCase().includes('systemassigned')
  if (hasUserAssigned) return system ? 'SystemAssigned, UserAssigned' : 'UserAssigned'
  return system ? 'SystemAssigned' : 'None'
}
