import { errorMessage, type Log } from '../lib/index.ts'
import { AdmissionDenied } from './admission-denied.ts'
import { type AdmissionAnswer, type AdmissionReview, parseAdmissionReview, renderAnswer } from './admission-review.ts'
import type { Annotations } from './identity-request.ts'
import { mutatePod } from './mutate-pod.ts'
import { parsePod } from './parse-pod.ts'
import type { WebhookMetrics } from './webhook-metrics.ts'
import type { WebhookSettings } from './webhook-settings.ts'

export interface AdmitPodOptions {
  settings: WebhookSettings
  annotationsOf(namespace: string, serviceAccount: string): Promise<Annotations>
  metrics: WebhookMetrics
  log: Log
}

/** What came in: a body with its type, or the reason why there is none. */
export type AdmissionBody = { contentType: string; body: Buffer } | { denied: AdmissionDenied }

/**
 * Answers one admission request with the JSON of an AdmissionReview, whatever it is: errors are answers too.
 * The order of the checks decides which error the user sees; it is upstream's.
 */
export function createAdmitPod({ settings, annotationsOf, metrics, log }: AdmitPodOptions) {
  return async (input: AdmissionBody): Promise<string> => {
    const startedAt = performance.now()
    let review: AdmissionReview | undefined
    try {
      if ('denied' in input) throw input.denied
      checkContentType(input)
      review = parseAdmissionReview(input.body)
      const answer = await admit(review)
      metrics.mutation(review.namespace, outcomeOf(answer), performance.now() - startedAt)
      return renderAnswer(answer, review)
    } catch (error) {
      const denied = error instanceof AdmissionDenied
      const answer = { allowed: false as const, code: denied ? error.code : 500, message: errorMessage(error) }
      metrics.mutation(review?.namespace ?? '', denied ? 'denied' : 'failed', performance.now() - startedAt)
      log[denied ? 'info' : 'error']({ err: error, namespace: review?.namespace, uid: review?.uid }, 'pod not admitted')
      return renderAnswer(answer, review)
    }
  }

  async function admit(review: AdmissionReview): Promise<AdmissionAnswer> {
    if (!createsPod(review)) return { allowed: true, patch: [], warnings: [] }
    const pod = parsePod(review.object)
    const account = await annotationsOf(review.namespace, pod.serviceAccountName)
    const mutation = mutatePod(pod, account, settings)
    log.debug({ pod: `${review.namespace}/${pod.name}`, operations: mutation.patch.length }, 'pod admitted')
    return { allowed: true, ...mutation }
  }
}

/** Content and emptiness in upstream's order: an empty body of a wrong type is an empty body. */
function checkContentType({ contentType, body }: { contentType: string; body: Buffer }): void {
  if (body.length > 0 && contentType !== 'application/json') {
    throw new AdmissionDenied(`contentType=${contentType}, expected application/json`)
  }
}

/** A configuration of somebody else's may send more: updates and ephemeral containers pass as they are. */
function createsPod({ operation, resource, subResource }: AdmissionReview): boolean {
  return ['CREATE', ''].includes(operation) && ['pods', ''].includes(resource) && subResource === ''
}

function outcomeOf(answer: AdmissionAnswer) {
  if (!answer.allowed) return 'denied'
  return answer.patch.length === 0 ? 'unchanged' : 'mutated'
}
