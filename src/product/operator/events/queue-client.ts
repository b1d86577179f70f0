import { errorMessage, type SecretValue } from '#lib'
import type { HttpRequest, HttpResponse, HttpSend } from '#lib/http'
import { parseQueueMessages, type QueueMessage } from './parse-queue-messages.ts'
import { answerError, QueueError, transportError } from './queue-error.ts'

/** The two calls of a storage queue that receiving needs. Both reject with `QueueError`. */
export interface QueueClient {
  /** At most 32 messages, which no other reader gets for `visibilitySeconds`. */
  receive(options: { visibilitySeconds: number; signal: AbortSignal }): Promise<QueueMessage[]>
  /** False where the message has been delivered again since, or has been deleted. */
  delete(message: Pick<QueueMessage, 'id' | 'popReceipt'>, options: { signal: AbortSignal }): Promise<boolean>
}

export interface QueueClientOptions {
  /** `https://ACCOUNT.queue.core.windows.net/QUEUE` */
  url: URL
  /** A token for {@link storageResource}. */
  token(signal: AbortSignal): Promise<SecretValue>
  send: HttpSend
  userAgent: string
}

/** For whom tokens are made: the same in all clouds. */
export const storageResource = 'https://storage.azure.com'

/** The first version with bearer tokens, which each cloud has. */
const apiVersion = '2017-11-09'
const mostMessages = 32

export function createQueueClient(options: QueueClientOptions): QueueClient {
  return {
    async receive({ visibilitySeconds, signal }) {
      const url = new URL(`${options.url.href}/messages`)
      url.searchParams.set('numofmessages', String(mostMessages))
      url.searchParams.set('visibilitytimeout', String(visibilitySeconds))
      const response = await call(options, { method: 'GET', url, signal })
      if (response.status !== 200) throw answerError(options.url, response)
      return messagesOf(options.url, response)
    },
    async delete({ id, popReceipt }, { signal }) {
      const url = new URL(`${options.url.href}/messages/${encodeURIComponent(id)}`)
      url.searchParams.set('popreceipt', popReceipt)
      const response = await call(options, { method: 'DELETE', url, signal })
      if (response.status === 204 || response.status === 200) return true
      const code = String(response.headers['x-ms-error-code'] ?? '')
      if (code === 'MessageNotFound' || code === 'PopReceiptMismatch') return false
      throw answerError(options.url, response)
    },
  }
}

function messagesOf(queue: URL, { body }: HttpResponse): QueueMessage[] {
  try {
    return parseQueueMessages(body.toString('utf8'))
  } catch (error) {
    throw new QueueError('queue-failed', `queue ${queue.host}: ${errorMessage(error)}`, {
      cause: error,
      retryable: true,
    })
  }
}

async function call(
  { send, token, userAgent, url: queue }: QueueClientOptions,
  request: Pick<HttpRequest, 'method' | 'url'> & { signal: AbortSignal },
): Promise<HttpResponse> {
  const held = await token(request.signal)
  const headers = {
    authorization: `Bearer ${held.revealText()}`,
    'x-ms-version': apiVersion,
    'x-ms-date': new Date().toUTCString(),
    'user-agent': userAgent,
  }
  return send({ ...request, headers }).catch((error: unknown) => {
    throw transportError(queue, error)
  })
}
