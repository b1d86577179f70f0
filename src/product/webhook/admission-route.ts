import { errorMessage, type Log } from '#lib'
import { AdmissionDenied } from './admission-denied.ts'
import { type AdmissionAnswer, type AdmissionReview, parseAdmissionReview, renderAnswer } from './admission-review.ts'

/** What came in: a body with its type, or the reason why there is none. */
export type AdmissionBody = { contentType: string; body: Buffer } | { denied: AdmissionDenied }

/** Answers what came in with the JSON of an AdmissionReview. Never rejects. */
export type AdmissionRoute = (input: AdmissionBody) => Promise<string>

export interface AdmissionRouteOptions {
  /** Throws {@link AdmissionDenied} for what is wrong with the object; anything else that it throws is our fault. */
  admit(review: AdmissionReview): AdmissionAnswer | Promise<AdmissionAnswer>
  /** Told about each request that `admit` has answered, or that it could not. Namespace is empty where none was read. */
  onAnswer(namespace: string, outcome: AdmissionAnswer | 'denied' | 'failed', durationMs: number): void
  log: Log
}

/** Admission requests of one kind, whatever comes in: errors are answers too. */
export function createAdmissionRoute({ admit, onAnswer, log }: AdmissionRouteOptions): AdmissionRoute {
  return async (input) => {
    const startedAt = performance.now()
    let review: AdmissionReview | undefined
    try {
      if ('denied' in input) throw input.denied
      checkContentType(input)
      review = parseAdmissionReview(input.body)
      const answer = await admit(review)
      onAnswer(review.namespace, answer, performance.now() - startedAt)
      return renderAnswer(answer, review)
    } catch (error) {
      const denied = error instanceof AdmissionDenied
      const { namespace = '', uid } = review ?? {}
      onAnswer(namespace, denied ? 'denied' : 'failed', performance.now() - startedAt)
      log[denied ? 'info' : 'error']({ err: error, namespace, uid }, 'not admitted')
      const answer = { allowed: false as const, code: denied ? error.code : 500, message: errorMessage(error) }
      return renderAnswer(answer, review)
    }
  }
}

/** Content and emptiness in upstream's order: an empty body of a wrong type is an empty body. */
function checkContentType({ contentType, body }: { contentType: string; body: Buffer }): void {
  if (body.length > 0 && contentType !== 'application/json') {
    throw new AdmissionDenied(`contentType=${contentType}, expected application/json`)
  }
}
