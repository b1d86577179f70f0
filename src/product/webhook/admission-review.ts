import { errorMessage, withUnit } from '#lib'
import { JsonError, parseJson, recordOf, stringOf } from '#lib/formats'
import { AdmissionDenied } from './admission-denied.ts'
import { webhookLimits } from './limits.ts'
import type { PatchOperation } from './patch-operation.ts'

/** https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/#request */
export interface AdmissionReview {
  /** Also that of the answer. */
  apiVersion: ReviewVersion
  uid: string
  /** `CREATE`, `UPDATE` and so on; empty when the request does not name it. */
  operation: string
  /** Plural name; empty when the request does not name it. */
  resource: string
  subResource: string
  namespace: string
  object: unknown
  /** The object before an update. */
  oldObject: unknown
}

const reviewVersions = ['admission.k8s.io/v1', 'admission.k8s.io/v1beta1'] as const
export type ReviewVersion = (typeof reviewVersions)[number]

export type AdmissionAnswer =
  | { allowed: true; patch: readonly PatchOperation[]; warnings: readonly string[] }
  | { allowed: false; code: number; message: string }

/** The answer that leaves the object as it is. */
export function admitUnchanged(warnings: readonly string[] = []): AdmissionAnswer {
  return { allowed: true, patch: [], warnings }
}

/** Reads the body of a request. Throws {@link AdmissionDenied} for anything that is not a review. */
export function parseAdmissionReview(body: Buffer): AdmissionReview {
  const review = recordOf(parseBody(body))
  const request = recordOf(review?.request)
  const apiVersion = reviewVersions.find((version) => version === review?.apiVersion)
  if (apiVersion === undefined || review?.kind !== 'AdmissionReview' || request === undefined) {
    throw new AdmissionDenied(
      `cannot decode the AdmissionReview: found apiVersion ${textOf(review?.apiVersion)}, kind ${textOf(review?.kind)}; expected one of ${reviewVersions.join(', ')}, kind AdmissionReview, with a request`,
    )
  }
  return {
    apiVersion,
    uid: textOf(request.uid),
    operation: textOf(request.operation),
    resource: textOf(recordOf(request.resource)?.resource),
    subResource: textOf(request.subResource),
    namespace: textOf(request.namespace),
    object: request.object,
    oldObject: request.oldObject,
  }
}

function parseBody(body: Buffer): unknown {
  if (body.length === 0) throw new AdmissionDenied('request body is empty')
  const { what, value: maxValues } = webhookLimits.values
  try {
    return parseJson('the body', body, { maxValues })
  } catch (error) {
    if (error instanceof JsonError && error.code === 'json-too-many-values')
      throw new AdmissionDenied(`${what}: at most ${withUnit(maxValues, 'count')} are accepted`, 413)
    throw new AdmissionDenied(`cannot decode the AdmissionReview: ${errorMessage(error)}`, 400, { cause: error })
  }
}

/** Beginning of a text; empty for anything else. Longer texts than these are not names. */
function textOf(value: unknown): string {
  return (stringOf(value) ?? '').slice(0, 253)
}

/** The answer as JSON, in the version of the request. */
export function renderAnswer(answer: AdmissionAnswer, review?: AdmissionReview): string {
  const { apiVersion = 'admission.k8s.io/v1', uid = '' } = review ?? {}
  return JSON.stringify({ apiVersion, kind: 'AdmissionReview', response: { uid, ...responseOf(answer) } })
}

/** Fields that are undefined do not appear in the JSON. */
function responseOf(answer: AdmissionAnswer): object {
  if (!answer.allowed) return { allowed: false, status: { code: answer.code, message: answer.message } }
  const { patch, warnings } = answer
  const hasPatch = patch.length > 0
  return {
    allowed: true,
    status: { code: 200 },
    patchType: hasPatch ? 'JSONPatch' : undefined,
    patch: hasPatch ? base64Of(JSON.stringify(patch)) : undefined,
    warnings: warnings.length > 0 ? warnings.map(oneLine) : undefined,
  }
}

/** Without a buffer for ASCII: parts of Node's buffer pool outlive the young generation, and their collection delays answers. */
function base64Of(text: string): string {
  return Buffer.byteLength(text) === text.length ? btoa(text) : Buffer.from(text).toString('base64')
}

/** A warning travels in a header: the API server drops one with line breaks. https://www.rfc-editor.org/rfc/rfc7234#section-5.5 */
function oneLine(text: string): string {
  return text.replace(/\s+/g, ' ')
}
