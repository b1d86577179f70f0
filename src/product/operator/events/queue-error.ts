import { CodedError } from '#lib'
import { HttpFault, type HttpResponse } from '#lib/http'

export type QueueErrorCode =
  | 'queue-unreachable'
  | 'queue-forbidden'
  | 'queue-not-found'
  | 'queue-throttled'
  | 'queue-failed'

/** The queue of events did not do what was asked. */
export class QueueError extends CodedError<QueueErrorCode> {}

export function transportError(url: URL, error: unknown): unknown {
  if (!(error instanceof HttpFault) || error.code === 'aborted') return error
  const code = error.code === 'throttled' ? 'queue-throttled' : 'queue-unreachable'
  return new QueueError(code, `queue ${nameOf(url)}: ${error.message}`, { cause: error, retryable: true })
}

/** What an answer that is not a success means. https://learn.microsoft.com/rest/api/storageservices/queue-service-error-codes */
export function answerError(url: URL, { status, headers, body }: HttpResponse): QueueError {
  const { code, remedy } = meaningOf(status)
  const reason = String(headers['x-ms-error-code'] ?? '') || elementOf(body.toString('utf8'), 'Code') || 'no code'
  return new QueueError(code, `queue ${nameOf(url)}: ${status} ${reason.slice(0, 100)}${remedy}`, {
    retryable: code === 'queue-throttled' || code === 'queue-failed',
  })
}

function meaningOf(status: number): { code: QueueErrorCode; remedy: string } {
  if (status === 401 || status === 403)
    return {
      code: 'queue-forbidden',
      remedy:
        '; expected an identity with the role "Storage Queue Data Message Processor" on the queue, and a firewall of the account that lets this cluster in',
    }
  if (status === 404)
    return { code: 'queue-not-found', remedy: '; expected a queue that exists: keymount events setup creates it' }
  if (status === 429 || status === 503) return { code: 'queue-throttled', remedy: '' }
  return { code: 'queue-failed', remedy: '' }
}

function nameOf({ host, pathname }: URL): string {
  const [, queue = ''] = pathname.split('/')
  return `${host}/${queue}`
}

function elementOf(xml: string, name: string): string {
  const start = xml.indexOf(`<${name}>`)
  const end = xml.indexOf(`</${name}>`, start)
  return start < 0 || end < 0 ? '' : xml.slice(start + name.length + 2, end)
}
