import { recordOf } from '#lib/formats'
import { AdmissionDenied } from './admission-denied.ts'
import type { PatchOperation } from './json-patch.ts'

/** https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/#request */
export interface AdmissionReview {
  /** Also that of the answer. */
  apiVersion: ReviewVersion
  uid: string
  /** What happens to which resource. */
  operation: string
  resource: string
  subResource: string
  namespace: string
  object: unknown
  /** What the object was before an update. */
  oldObject: unknown
}

const reviewVersions = ['admission.k8s.io/v1', 'admission.k8s.io/v1beta1'] as const
export type ReviewVersion = (typeof reviewVersions)[number]

export type AdmissionAnswer =
  | { allowed: true; patch: readonly PatchOperation[]; warnings: readonly string[] }
  | { allowed: false; code: number; message: string }

/** Reads the body of a request. Throws {@link AdmissionDenied} for anything that is no review. */
export function parseAdmissionReview(body: Buffer): AdmissionReview {
  if (body.length === 0) throw new AdmissionDenied('request body is empty')
  let value: unknown
  try {
    value = JSON.parse(body.toString('utf8'))
  } catch (error) {
    // The parser's own message would repeat the body, which may hold anything.
    throw new AdmissionDenied('cannot decode the AdmissionReview: the body is no JSON', 400, { cause: error })
  }
  const review = recordOf(value)
  const request = recordOf(review?.['request'])
  const apiVersion = reviewVersions.find((known) => known === review?.['apiVersion'])
  if (apiVersion === undefined || review?.['kind'] !== 'AdmissionReview' || request === undefined) {
    throw new AdmissionDenied(
      `cannot decode the AdmissionReview: found apiVersion ${textOf(review?.['apiVersion'])}, kind ${textOf(review?.['kind'])}; expected one of ${reviewVersions.join(', ')}, kind AdmissionReview, with a request`,
    )
  }
  return {
    apiVersion,
    uid: textOf(request['uid']),
    operation: textOf(request['operation']),
    resource: textOf(recordOf(request['resource'])?.['resource']),
    subResource: textOf(request['subResource']),
    namespace: textOf(request['namespace']),
    object: request['object'],
    oldObject: request['oldObject'],
  }
}

/** The answer as JSON, in the version that was asked with. */
export function renderAnswer(answer: AdmissionAnswer, review?: AdmissionReview): string {
  const { apiVersion = 'admission.k8s.io/v1', uid = '' } = review ?? {}
  return JSON.stringify({ apiVersion, kind: 'AdmissionReview', response: { uid, ...responseOf(answer) } })
}

function responseOf(answer: AdmissionAnswer): object {
  if (!answer.allowed) return { allowed: false, status: { code: answer.code, message: answer.message } }
  const { patch, warnings } = answer
  return {
    allowed: true,
    status: { code: 200 },
    ...(patch.length === 0
      ? {}
      : { patchType: 'JSONPatch', patch: Buffer.from(JSON.stringify(patch)).toString('base64') }),
    ...(warnings.length === 0 ? {} : { warnings: warnings.map(oneLine) }),
  }
}

/** A warning travels in a header: the API server drops one with line breaks. https://www.rfc-editor.org/rfc/rfc7234#section-5.5 */
function oneLine(text: string): string {
  return text.replace(/\s+/g, ' ')
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : ''
}
