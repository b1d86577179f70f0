import type { SecretValue } from '#lib'
import { JsonError, listOf, parseJson, recordOf, stringOf } from '#lib/formats'
import { HttpFault, type HttpResponse, type HttpSend } from '#lib/http'
import type { QueueMessage } from './parse-queue-messages.ts'
import type { QueueClient, Receipt } from './queue-client.ts'
import { answerError, type QueueWords, transportError, unusableAnswer } from './queue-error.ts'

export interface TopicClientOptions {
  /** `https://NAME.REGION-1.eventgrid.azure.net/topics/TOPIC/eventsubscriptions/SUBSCRIPTION` */
  url: URL
  /** A token for {@link topicResource}. */
  token(signal: AbortSignal): Promise<SecretValue>
  send: HttpSend
  userAgent: string
}

/** For whom tokens are made: all namespaces of the cloud. */
export function topicResource({ hostname }: URL): string {
  return `https://${hostname.slice(hostname.indexOf('.eventgrid.') + 1)}`
}

const apiVersion = '2024-06-01'
const mostMessages = 100
/**
 * How long a receive waits for an event: the shortest that Event Grid takes. An event that comes to a receive whose reader was killed
 * stays locked, so the wait is short; the next receive follows at once.
 */
const waitSeconds = 10
/** The answer of a receive comes later than its wait ends. */
const receiveTimeoutMs = waitSeconds * 1000 + 10_000

const words: QueueWords = {
  nameOf: ({ host, pathname }) => `namespace topic ${host}${pathname}`,
  forbidden:
    'an identity with the role "EventGrid Data Receiver" on the event subscription, and a firewall of the namespace that lets this cluster in',
  notFound: 'an event subscription of the mode Queue that exists',
}

/**
 * A client of an event subscription of an Event Grid namespace, in the mode Queue. Its messages are locked for the lock duration of the
 * subscription. https://learn.microsoft.com/rest/api/eventgrid/dataplane
 */
export function createTopicClient(options: TopicClientOptions): QueueClient {
  // Events of any publisher may be large: one at a time is never more than the HTTP client accepts.
  let most = mostMessages
  return {
    batch: mostMessages,
    waits: true,
    repeatsIds: true,
    async receive({ signal }) {
      const query = { maxEvents: String(most), maxWaitTime: String(waitSeconds) }
      most = mostMessages
      const response = await call(options, 'receive', { query, signal, timeoutMs: receiveTimeoutMs }).catch((error) => {
        if (isTooLarge(error)) most = 1
        throw error
      })
      return messagesOf(options.url, response)
    },
    delete: (messages, { signal }) => finishLocks(options, 'acknowledge', messages, signal),
    reject: (messages, { signal }) => finishLocks(options, 'reject', messages, signal),
  }
}

function isTooLarge(error: unknown): boolean {
  return error instanceof Error && error.cause instanceof HttpFault && error.cause.code === 'too-large'
}

/** The answer names locks that have run out: their events come again. */
async function finishLocks(
  options: TopicClientOptions,
  word: 'acknowledge' | 'reject',
  messages: readonly Receipt[],
  signal: AbortSignal,
): Promise<void> {
  for (let from = 0; from < messages.length; from += mostMessages) {
    const lockTokens = messages.slice(from, from + mostMessages).map(({ popReceipt }) => popReceipt)
    await call(options, word, { body: { lockTokens }, signal })
  }
}

interface TopicCall {
  query?: Record<string, string>
  body?: unknown
  signal: AbortSignal
  timeoutMs?: number
}

async function call(options: TopicClientOptions, word: string, request: TopicCall): Promise<HttpResponse> {
  const { send, token, userAgent, url: subscription } = options
  const { query = {}, body, signal, timeoutMs } = request
  const held = await token(signal)
  const search = new URLSearchParams({ 'api-version': apiVersion, ...query })
  const response = await send({
    method: 'POST',
    url: new URL(`${subscription.href}:${word}?${search}`),
    headers: {
      authorization: `Bearer ${held.revealText()}`,
      'content-type': 'application/json',
      'user-agent': userAgent,
    },
    body: body === undefined ? '' : JSON.stringify(body),
    signal,
    timeoutMs,
  }).catch((error: unknown) => {
    throw transportError(words, subscription, error)
  })
  if (response.status !== 200) throw answerError(words, subscription, response)
  return response
}

function messagesOf(subscription: URL, { body }: HttpResponse): QueueMessage[] {
  try {
    return parseReceivedEvents(body.toString('utf8'))
  } catch (error) {
    throw unusableAnswer(words, subscription, error)
  }
}

/** The events of the JSON that a receive answers with; elements of another form are left out. Throws {@link JsonError}. */
export function parseReceivedEvents(json: string): QueueMessage[] {
  // One event that is nested without end must not keep back the others of the answer.
  const answer = parseJson('the answer', json, { maxDepth: Number.POSITIVE_INFINITY })
  const list = listOf(recordOf(answer)?.value)
  if (list === undefined) throw new JsonError('json-invalid', 'the answer has no list of events')
  return list.flatMap((element) => {
    const { brokerProperties, event } = recordOf(element) ?? {}
    const { lockToken, deliveryCount } = recordOf(brokerProperties) ?? {}
    const popReceipt = stringOf(lockToken) ?? ''
    if (popReceipt === '') return []
    const { id, source, time } = recordOf(event) ?? {}
    return [
      {
        id: `${stringOf(source) ?? ''} ${stringOf(id) ?? ''}`,
        popReceipt,
        dequeueCount: typeof deliveryCount === 'number' ? deliveryCount : 1,
        // The answer does not have the time at which Event Grid received the event.
        insertedAt: Date.parse(stringOf(time) ?? ''),
        text: textOf(event),
      },
    ]
  })
}

/** Empty for an event that is nested too deeply to be written. */
function textOf(event: unknown): string {
  try {
    return JSON.stringify(event) ?? ''
  } catch {
    return ''
  }
}
