import { errorMessage, type Log } from '#lib'
import { AdmissionDenied, AdmissionFailed } from './admission-denied.ts'
import { type AdmissionAnswer, type AdmissionReview, parseAdmissionReview, renderAnswer } from './admission-review.ts'

/** What is done with the reviews of one path. */
export interface Admission {
  /** Throws {@link AdmissionDenied} for what is wrong with the object; anything else that it throws is our fault. */
  admit(review: AdmissionReview): Promise<AdmissionAnswer>
  /** Called once per request. The namespace is empty when the request could not be read. */
  onAnswer(namespace: string, outcome: AdmissionOutcome, durationMs: number): void
  log: Log
}

export type AdmissionOutcome = AdmissionAnswer | 'denied' | 'failed'

/** What was received: a body with its type, or why it was not received. */
export type AdmissionBody = { contentType: string; body: Buffer } | AdmissionDenied

/** Answers a request with the JSON of an AdmissionReview, also when it cannot be read or the answer fails. Never rejects. */
export async function answerReview(admission: Admission, received: AdmissionBody): Promise<string> {
  const startedAt = performance.now()
  let review: AdmissionReview | undefined
  let answer: AdmissionAnswer
  let outcome: AdmissionOutcome
  try {
    review = readReview(received)
    answer = await admission.admit(review)
    outcome = answer
  } catch (error) {
    outcome = error instanceof AdmissionDenied && !(error instanceof AdmissionFailed) ? 'denied' : 'failed'
    answer = { allowed: false, code: codeOf(error), message: errorMessage(error) }
    logRefusal(admission.log, outcome, error, review)
  }
  admission.onAnswer(review?.namespace ?? '', outcome, performance.now() - startedAt)
  return renderAnswer(answer, review)
}

function readReview(received: AdmissionBody): AdmissionReview {
  if (received instanceof AdmissionDenied) throw received
  const { contentType, body } = received
  // Upstream's order: an empty body of a wrong type is an empty body.
  if (body.length > 0 && contentType !== 'application/json') {
    throw new AdmissionDenied(`contentType=${contentType}, expected application/json`)
  }
  return parseAdmissionReview(body)
}

function codeOf(error: unknown): number {
  return error instanceof AdmissionDenied ? error.code : 500
}

function logRefusal(log: Log, outcome: 'denied' | 'failed', error: unknown, review?: AdmissionReview): void {
  const fields = { err: error, namespace: review?.namespace, uid: review?.uid }
  if (outcome === 'denied') log.info(fields, 'not admitted')
  else log.error(fields, 'not admitted')
}
