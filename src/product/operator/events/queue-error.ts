import { CodedError, errorMessage } from '#lib'
import { HttpFault, type HttpResponse } from '#lib/http'

export type QueueErrorCode =
  | 'queue-unreachable'
  | 'queue-forbidden'
  | 'queue-not-found'
  | 'queue-throttled'
  | 'queue-failed'

/** The queue of events did not do what was asked. */
export class QueueError extends CodedError<QueueErrorCode> {}

/** How errors name a kind of queue and what it needs. */
export interface QueueWords {
  /** For example `queue HOST/NAME`. */
  nameOf(url: URL): string
  /** What is expected where access is refused, or where there is none. */
  forbidden: string
  notFound: string
}

export function transportError({ nameOf }: QueueWords, url: URL, error: unknown): unknown {
  if (!(error instanceof HttpFault) || error.code === 'aborted') return error
  const code = error.code === 'throttled' ? 'queue-throttled' : 'queue-unreachable'
  return new QueueError(code, `${nameOf(url)}: ${error.message}`, { cause: error, retryable: true })
}

/** What an answer that is not a success means. https://learn.microsoft.com/rest/api/storageservices/queue-service-error-codes */
export function answerError(words: QueueWords, url: URL, { status, headers, body }: HttpResponse): QueueError {
  const { code, remedy } = meaningOf(words, status)
  const reason = String(headers['x-ms-error-code'] ?? '') || elementOf(body.toString('utf8'), 'Code') || 'no code'
  return new QueueError(code, `${words.nameOf(url)}: ${status} ${reason.slice(0, 100)}${remedy}`, {
    retryable: code === 'queue-throttled' || code === 'queue-failed',
  })
}

/** An answer that cannot be used. */
export function unusableAnswer({ nameOf }: QueueWords, url: URL, error: unknown): QueueError {
  const text = `${nameOf(url)}: ${errorMessage(error)}`
  return new QueueError('queue-failed', text, { cause: error, retryable: true })
}

function meaningOf({ forbidden, notFound }: QueueWords, status: number): { code: QueueErrorCode; remedy: string } {
  if (status === 401 || status === 403) return { code: 'queue-forbidden', remedy: `; expected ${forbidden}` }
  if (status === 404 || status === 410) return { code: 'queue-not-found', remedy: `; expected ${notFound}` }
  if (status === 429 || status === 503) return { code: 'queue-throttled', remedy: '' }
  return { code: 'queue-failed', remedy: '' }
}

function elementOf(xml: string, name: string): string {
  const start = xml.indexOf(`<${name}>`)
  const end = xml.indexOf(`</${name}>`, start)
  return start < 0 || end < 0 ? '' : xml.slice(start + name.length + 2, end)
}
