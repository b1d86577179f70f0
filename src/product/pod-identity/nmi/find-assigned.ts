import { type AssignmentState, type AzureAssignedIdentity, type AzureIdentity, objectKey } from '#kubernetes/client'
import { type Clock, sleep } from '#lib'
import { isNamespaced } from '../azure-identity.ts'
import { RequestError } from './request-error.ts'
import { isMeant, namesIdentity, redact, type TokenQuery } from './token-query.ts'

/** Whose token is wanted. */
export interface PodRef {
  namespace: string
  name: string
}

export type FindIdentity = (pod: PodRef, query: TokenQuery, signal: AbortSignal) => Promise<AzureIdentity>

export interface FindAssignedOptions {
  /** Assignments of a pod as of now. */
  assignmentsOf: (pod: PodRef) => readonly AzureAssignedIdentity[]
  forceNamespaced: boolean
  /** How often it is looked for an assignment to appear. */
  attemptsForCreated: number
  /** How often more it is looked for the machine to have it. */
  attemptsForAssigned: number
  retryMs: number
  clock: Clock
}

/**
 * Standard mode: the controller decides and this waits for it, because a machine of Azure gets an identity in 10 to 60 s.
 * Throws {@link RequestError} when there is none in the end.
 */
export function createFindAssigned(options: FindAssignedOptions): FindIdentity {
  const { assignmentsOf, forceNamespaced, attemptsForCreated, attemptsForAssigned, retryMs, clock } = options
  return async (pod, query, signal) => {
    const isUsable = ({ spec: { azureIdentityRef: identity } }: AzureAssignedIdentity) =>
      isMeant(query, identity) &&
      (!(forceNamespaced || isNamespaced(identity)) || identity.metadata.namespace === pod.namespace)
    const last = attemptsForCreated + attemptsForAssigned
    for (let attempt = 1; ; attempt++) {
      const usable = assignmentsOf(pod).filter(isUsable).toSorted(byName)
      const inState = (...states: AssignmentState[]) =>
        usable.filter(({ status }) => states.includes(status?.status ?? ''))
      // Without a state: made by a controller before 1.5, which assigned first and wrote then.
      const [ready] = inState('', 'Assigned')
      if (ready !== undefined) return ready.spec.azureIdentityRef
      const created = inState('Created').length > 0
      if (!created && attempt > attemptsForCreated) throw notFound(pod, query, { ...options, state: 'CREATED' })
      if (attempt > last) throw notFound(pod, query, { ...options, state: 'ASSIGNED' })
      await sleep(retryMs, { clock, signal })
    }
  }
}

function byName(a: AzureAssignedIdentity, b: AzureAssignedIdentity): number {
  return objectKey(a) < objectKey(b) ? -1 : 1
}

function notFound(
  { namespace, name }: PodRef,
  query: TokenQuery,
  { state, attemptsForCreated, attemptsForAssigned, retryMs }: FindAssignedOptions & { state: 'CREATED' | 'ASSIGNED' },
): RequestError {
  const attempts = state === 'CREATED' ? attemptsForCreated : attemptsForCreated + attemptsForAssigned
  const asked = query.clientId === '' ? '' : `clientID in request: ${redact(query.clientId)}, `
  const which = namesIdentity(query) && query.clientId === '' ? `resource id in request: ${query.resourceId}, ` : asked
  return new RequestError(
    404,
    `${which}getting assigned identities for pod ${namespace}/${name} in ${state} state failed after ${attempts} attempts, retry duration [${retryMs / 1000}]s, error: <nil>. Check MIC pod logs for identity assignment errors`,
  )
}
