import { invalidRequest, type TokenQuery } from './token-query.ts'

/** A managed identity that is assigned to a machine. */
export interface AssignedIdentity {
  kind: 'system' | 'user'
  clientId: string
  objectId: string
  resourceId: string
}

/** The identity that a request selects among those of the machine. Throws {@link Refusal}. */
export function chooseIdentity(query: TokenQuery, assigned: readonly AssignedIdentity[]): AssignedIdentity {
  const { identity } = query
  if (identity !== undefined) {
    const found = assigned.find((each) => each[identity.by].toLowerCase() === identity.value)
    if (found !== undefined) return found
    throw invalidRequest('Identity not found')
  }
  const [first, second] = assigned.toSorted((a, b) => Number(a.kind === 'user') - Number(b.kind === 'user'))
  if (first === undefined) throw invalidRequest('Identity not found')
  if (first.kind === 'user' && second !== undefined) {
    throw invalidRequest(
      'Multiple user assigned identities exist, please specify the clientId / resourceId of the identity in the token request',
    )
  }
  return first
}
