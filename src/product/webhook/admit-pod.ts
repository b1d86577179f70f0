import type { Log } from '#lib'
import type { AdmissionAnswer, AdmissionReview } from './admission-review.ts'
import { type AdmissionRoute, createAdmissionRoute } from './admission-route.ts'
import type { Annotations } from './identity-request.ts'
import { mutatePod } from './mutate-pod.ts'
import { parsePod } from './parse-pod.ts'
import type { MutationResult, WebhookMetrics } from './webhook-metrics.ts'
import type { WebhookSettings } from './webhook-settings.ts'

export interface AdmitPodOptions {
  settings: WebhookSettings
  annotationsOf(namespace: string, serviceAccount: string): Promise<Annotations>
  metrics: WebhookMetrics
  log: Log
}

/** Gives pods their identity. The order of the checks decides which error the user sees; it is upstream's. */
export function createAdmitPod({ settings, annotationsOf, metrics, log }: AdmitPodOptions): AdmissionRoute {
  async function admit(review: AdmissionReview): Promise<AdmissionAnswer> {
    if (!createsPod(review)) return { allowed: true, patch: [], warnings: [] }
    const pod = parsePod(review.object)
    const account = await annotationsOf(review.namespace, pod.serviceAccountName)
    const mutation = mutatePod(pod, account, settings)
    log.debug({ pod: `${review.namespace}/${pod.name}`, operations: mutation.patch.length }, 'pod admitted')
    return { allowed: true, ...mutation }
  }

  return createAdmissionRoute({
    admit,
    onAnswer: (namespace, outcome, durationMs) => metrics.mutation(namespace, resultOf(outcome), durationMs),
    log,
  })
}

/** A configuration of somebody else's may send more: updates and ephemeral containers pass as they are. */
function createsPod({ operation, resource, subResource }: AdmissionReview): boolean {
  return ['CREATE', ''].includes(operation) && ['pods', ''].includes(resource) && subResource === ''
}

function resultOf(outcome: AdmissionAnswer | 'denied' | 'failed'): MutationResult {
  if (typeof outcome === 'string') return outcome
  if (!outcome.allowed) return 'denied'
  return outcome.patch.length === 0 ? 'unchanged' : 'mutated'
}
