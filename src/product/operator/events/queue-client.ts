import type { SecretValue } from '#lib'
import { forEachLimited } from '#lib/async'
import type { HttpRequest, HttpResponse, HttpSend } from '#lib/http'
import { parseQueueMessages, type QueueMessage } from './parse-queue-messages.ts'
import { answerError, type QueueWords, transportError, unusableAnswer } from './queue-error.ts'

/** What receiving needs of a queue. All calls reject with `QueueError`. */
export interface QueueClient {
  /** Most messages of one answer. */
  readonly batch: number
  /** True where `receive` itself waits for a message, in place of an empty answer. */
  readonly waits: boolean
  /** True where several messages may have one id: each delivery is then deleted by a receipt of its own. */
  readonly repeatsIds: boolean
  /** At most `batch` messages, which no other reader gets for a while: for `visibilitySeconds` where the reader decides that. */
  receive(options: { visibilitySeconds: number; signal: AbortSignal }): Promise<QueueMessage[]>
  /** Those that have been delivered again since, or have been deleted, are passed over. */
  delete(messages: readonly Receipt[], options: { signal: AbortSignal }): Promise<void>
  /** The same for messages that could not be processed. Default: they are deleted. */
  reject?(messages: readonly Receipt[], options: { signal: AbortSignal }): Promise<void>
}

export type Receipt = Pick<QueueMessage, 'id' | 'popReceipt'>

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

const deletesAtOnce = 8

const words: QueueWords = {
  nameOf: ({ host, pathname }) => `queue ${host}/${pathname.split('/')[1] ?? ''}`,
  forbidden:
    'an identity with the role "Storage Queue Data Message Processor" on the queue, and a firewall of the account that lets this cluster in',
  notFound: 'a queue that exists: keymount events setup creates it',
}

/** A client of a storage queue. */
export function createQueueClient(options: QueueClientOptions): QueueClient {
  return {
    batch: mostMessages,
    waits: false,
    repeatsIds: false,
    async receive({ visibilitySeconds, signal }) {
      const url = new URL(`${options.url.href}/messages`)
      url.searchParams.set('numofmessages', String(mostMessages))
      url.searchParams.set('visibilitytimeout', String(visibilitySeconds))
      const response = await call(options, { method: 'GET', url, signal })
      if (response.status !== 200) throw answerError(words, options.url, response)
      return messagesOf(options.url, response)
    },
    delete: (messages, { signal }) =>
      forEachLimited(messages, deletesAtOnce, (message) => deleteMessage(options, message, signal)),
  }
}

async function deleteMessage(options: QueueClientOptions, { id, popReceipt }: Receipt, signal: AbortSignal) {
  const url = new URL(`${options.url.href}/messages/${encodeURIComponent(id)}`)
  url.searchParams.set('popreceipt', popReceipt)
  const response = await call(options, { method: 'DELETE', url, signal })
  if (response.status === 204 || response.status === 200) return
  const code = String(response.headers['x-ms-error-code'] ?? '')
  if (code !== 'MessageNotFound' && code !== 'PopReceiptMismatch') throw answerError(words, options.url, response)
}

function messagesOf(queue: URL, { body }: HttpResponse): QueueMessage[] {
  try {
    return parseQueueMessages(body.toString('utf8'))
  } catch (error) {
    throw unusableAnswer(words, queue, error)
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
    throw transportError(words, queue, error)
  })
}
