import { type AssignmentState, type AzureAssignedIdentity, type AzureIdentity, compareByKey } from '#kubernetes/client'
import { type Clock, sleep } from '#lib'
import { ImdsRefusal, type TokenQuery } from '#product/imds'
import { isNamespaced } from '../azure-identity.ts'
import { matchesQuery, namesIdentity, redact } from './names-identity.ts'

/** The pod whose token is requested. */
export interface PodRef {
  namespace: string
  name: string
}

export type FindIdentity = (pod: PodRef, query: TokenQuery, signal: AbortSignal) => Promise<AzureIdentity>

export interface FindAssignedOptions {
  /** Current assignments of a pod. Throws `ImdsRefusal` when they are not known. */
  assignmentsOf: (pod: PodRef) => Promise<readonly AzureAssignedIdentity[]>
  forceNamespaced: boolean
  /** Number of retries while waiting for the AzureAssignedIdentity. */
  attemptsForCreated: number
  /** Number of further retries while waiting for its state Assigned. */
  attemptsForAssigned: number
  /** Between retries. */
  retryMs: number
  clock: Clock
}

/**
 * Standard mode: the controller decides, and this waits for it, because assigning an identity to a machine takes Azure 10 to
 * 60 s. Throws `ImdsRefusal` when there is no identity in the end.
 */
export function createFindAssigned(options: FindAssignedOptions): FindIdentity {
  const { assignmentsOf, forceNamespaced, attemptsForCreated, attemptsForAssigned, retryMs, clock } = options
  return async (pod, query, signal) => {
    const isUsable = ({ spec: { azureIdentityRef: identity } }: AzureAssignedIdentity) =>
      matchesQuery(query, identity) &&
      (!(forceNamespaced || isNamespaced(identity)) || identity.metadata.namespace === pod.namespace)
    const last = attemptsForCreated + attemptsForAssigned
    for (let attempt = 1; ; attempt++) {
      const usable = (await assignmentsOf(pod)).filter(isUsable).toSorted(compareByKey)
      const inState = (...states: AssignmentState[]) =>
        usable.filter(({ status }) => states.includes(status?.status ?? ''))
      // Without a state: made by a controller before 1.5, which assigned first and then wrote.
      const [ready] = inState('', 'Assigned')
      if (ready !== undefined) return ready.spec.azureIdentityRef
      const created = inState('Created').length > 0
      if (!created && attempt > attemptsForCreated) throw notFound(pod, query, { ...options, state: 'CREATED' })
      if (attempt > last) throw notFound(pod, query, { ...options, state: 'ASSIGNED' })
      await sleep(retryMs, { clock, signal })
    }
  }
}

function notFound(
  { namespace, name }: PodRef,
  query: TokenQuery,
  { state, attemptsForCreated, attemptsForAssigned, retryMs }: FindAssignedOptions & { state: 'CREATED' | 'ASSIGNED' },
): ImdsRefusal {
  const attempts = state === 'CREATED' ? attemptsForCreated : attemptsForCreated + attemptsForAssigned
  const byClient = query.clientId === '' ? '' : `clientID in request: ${redact(query.clientId)}, `
  const named =
    namesIdentity(query) && query.clientId === '' ? `resource id in request: ${query.resourceId}, ` : byClient
  return new ImdsRefusal(
    404,
    'not_found',
    `${named}getting assigned identities for pod ${namespace}/${name} in ${state} state failed after ${attempts} attempts, retry duration [${retryMs / 1000}]s, error: <nil>. Check MIC pod logs for identity assignment errors`,
  )
}
