import { randomUUID } from 'node:crypto'
import type { Socket } from 'node:net'
import { errorMessage } from '#lib'
import { parseJson, valueAt } from '#lib/formats'
import { createHttpClient } from '#lib/http'
import { ApiError } from '../api-error.ts'
import { isRecord, numberAt, textAt, textsAt } from '../api-object.ts'
import type { Store } from '../objects/store.ts'
import type { AdmissionRequest, Written } from './admission-request.ts'
import { objectsOf, requestAttributes } from './request-attributes.ts'
import { webhookAddress } from './webhook-address.ts'
import type { Webhook } from './webhooks.ts'

/** What it takes to call a webhook. */
export interface AdmissionSurroundings {
  store: Store
  /** A connection to a pod, where pods have networks of their own. */
  connectToPod?: ConnectToPod | undefined
}

export type ConnectToPod = (host: string, port: number) => Promise<Socket>

export interface WebhookAnswer {
  /** JSON patch. */
  patch: unknown[]
  warnings: readonly string[]
  /** Why the webhook refuses the object. */
  refusal: ApiError | undefined
}

/**
 * Sends one AdmissionReview. Throws ApiError (500) in a real API server's words when the webhook cannot be asked.
 */
export async function askWebhook(
  { store, connectToPod }: AdmissionSurroundings,
  webhook: Webhook,
  request: AdmissionRequest,
  written: Written,
): Promise<WebhookAnswer> {
  const uid = randomUUID()
  const review = await send({ store, connectToPod }, webhook, reviewOf(uid, webhook, request, written)).catch(
    (error: unknown) => {
      throw failure(webhook, error)
    },
  )
  const response = valueAt(review, 'response')
  if (textAt(response, 'uid') !== uid) throw failure(webhook, new Error('the answer is for another request'))
  const warnings = textsAt(response, 'warnings')
  if (valueAt(response, 'allowed') !== true) {
    return { patch: [], warnings, refusal: refusalOf(webhook, valueAt(response, 'status')) }
  }
  const patch = textAt(response, 'patch')
  return { patch: patch === '' ? [] : parsePatch(webhook, patch), warnings, refusal: undefined }
}

async function send(
  { store, connectToPod }: AdmissionSurroundings,
  { clientConfig, timeoutSeconds }: Webhook,
  review: object,
): Promise<unknown> {
  const { url, servername, inPod } = webhookAddress(store, clientConfig)
  url.searchParams.set('timeout', `${timeoutSeconds}s`)
  const bundle = textAt(clientConfig, 'caBundle')
  const http = createHttpClient({
    timeoutMs: timeoutSeconds * 1000,
    ca: bundle === '' ? undefined : Buffer.from(bundle, 'base64').toString('utf8'),
    servername,
    connect: inPod ? connectToPod : undefined,
  })
  try {
    const headers = { 'content-type': 'application/json', accept: 'application/json' }
    const { status, body } = await http.send({ method: 'POST', url, headers, body: JSON.stringify(review) })
    if (status !== 200) throw new Error(`the server answers ${status}`)
    return parseJson('the response', body)
  } finally {
    http.stop()
  }
}

/** https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/#request */
function reviewOf(uid: string, { reviewVersions }: Webhook, request: AdmissionRequest, written: Written): object {
  const known = ['v1', 'v1beta1'].find((each) => reviewVersions.includes(each)) ?? 'v1'
  return {
    apiVersion: `admission.k8s.io/${known}`,
    kind: 'AdmissionReview',
    request: { uid, ...requestAttributes(request, written), ...objectsOf(request, written) },
  }
}

function parsePatch(webhook: Webhook, text: string): unknown[] {
  try {
    const patch = parseJson('the patch', Buffer.from(text, 'base64'))
    if (Array.isArray(patch)) return patch
  } catch {
    // Reported below.
  }
  throw failure(webhook, new Error('the patch in its response is not a valid JSON patch'))
}

function failure({ name }: Webhook, error: unknown): ApiError {
  if (error instanceof ApiError) return error
  const message = `Internal error occurred: failed calling webhook "${name}": failed to call webhook: ${errorMessage(error)}`
  return new ApiError(500, 'InternalError', message)
}

function refusalOf({ name }: Webhook, status: unknown): ApiError {
  const text = isRecord(status) ? textAt(status, 'message') || textAt(status, 'reason') : ''
  const message = `admission webhook "${name}" denied the request${text === '' ? ' without explanation' : `: ${text}`}`
  const code = numberAt(status, 'code')
  return new ApiError(code >= 400 ? code : 403, textAt(status, 'reason') || 'Forbidden', message)
}
