import { ImdsError, type TokenQuery } from './token-query.ts'

/** An identity that a machine has. */
export interface AssignedIdentity {
  kind: 'system' | 'user'
  clientId: string
  objectId: string
  resourceId: string
}

/** The identity that a request means, among those that the machine has. Throws {@link ImdsError}. */
export function chooseIdentity(query: TokenQuery, assigned: readonly AssignedIdentity[]): AssignedIdentity {
  const { identity } = query
  if (identity !== undefined) {
    const found = assigned.find((each) => each[identity.by].toLowerCase() === identity.value)
    if (found !== undefined) return found
    throw new ImdsError('invalid_request', 'Identity not found')
  }
  const [first, second] = assigned.toSorted((a, b) => Number(a.kind === 'user') - Number(b.kind === 'user'))
  if (first === undefined) throw new ImdsError('invalid_request', 'Identity not found')
  if (first.kind === 'user' && second !== undefined) {
    throw new ImdsError(
      'invalid_request',
      'Multiple user assigned identities exist, please specify the clientId / resourceId of the identity in the token request',
    )
  }
  return first
}
