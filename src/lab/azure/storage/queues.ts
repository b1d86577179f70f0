import { randomBytes, randomUUID } from 'node:crypto'
import { Refusal } from '../http/refusal.ts'
import type { Change, RecordStore } from '../records/record-store.ts'
import { storageLimits } from './limits.ts'

export interface Queue {
  /** Name of its account. */
  account: string
  name: string
  /** Names in the casing of their client. */
  metadata: Record<string, string>
}

/** A message and what has happened to it. Times are milliseconds since the epoch. */
export interface Message {
  id: string
  text: string
  insertedAt: number
  expiresAt: number
  visibleAt: number
  /** Proof of the last read or update, which a client needs for the next update or deletion. */
  popReceipt: string
  dequeueCount: number
}

/** What a client decides about a new message, or about its text. */
export type NewMessage = Pick<Message, 'text' | 'insertedAt' | 'expiresAt' | 'visibleAt'>

/** All queues with their messages, without HTTP: the queue service and Event Grid use it. */
export interface Queues {
  get(account: string, name: string): Queue | undefined
  /** Ordered by name. */
  ofAccount(account: string): Queue[]
  put(queue: Queue): Change
  /** The changes that remove the queue with its messages. */
  remove(queue: Queue): Change[]
  removeAll(account: string): Change[]
  /** Messages of all queues that are not deleted. */
  readonly size: number
  /** Messages that are neither expired nor deleted, hidden ones included. */
  count(queue: Queue, now: number): number
  message(queue: Queue, id: string, now: number): Message | undefined
  /** The first messages that are visible at `now`, in the order in which they were put, read or updated last. */
  visible(queue: Queue, limit: number, now: number): Message[]
  /** When the first message that is hidden at `now` becomes visible, in milliseconds since the epoch; infinite when none is hidden. */
  nextVisibleAt(queue: Queue, now: number): number
  /** Throws {@link Refusal} when the queue or the account is full. */
  add(queue: Queue, fields: NewMessage): { message: Message; changes: Change[] }
  /** A message with a new text, state and receipt. */
  update(queue: Queue, message: Message, fields: Partial<Message>): { message: Message; changes: Change[] }
  removeMessage(queue: Queue, message: Message): Change[]
  clear(queue: Queue): Change[]
}

/** Written once for each text, so that reading a message does not write its text again. */
type Content = Pick<Message, 'text' | 'insertedAt' | 'expiresAt'>
type State = Pick<Message, 'visibleAt' | 'popReceipt' | 'dequeueCount'>

/** Messages that have expired and are removed when another one is put. */
const expiredPerPut = 8

export interface QueuesOptions {
  /** What the names of the collections begin with. Default: queues of storage accounts. */
  kind?: string | undefined
  /** Called for each new message. */
  onMessage?: (() => void) | undefined
}

export function createQueues(store: RecordStore, { kind = 'queue', onMessage }: QueuesOptions = {}): Queues {
  const queues = store.collection<Queue>(`${kind}s`)
  const contents = store.collection<Content>(`${kind}-messages`)
  const states = store.collection<State>(`${kind}-message-states`)
  const index = createIndex()
  contents.observe((key, after, before) => {
    index.setContent(key, after, before)
    if (after !== undefined) onMessage?.()
  })
  states.observe((key, after) => index.setState(key, after))
  const accounts = new Map<string, Map<string, Queue>>()
  queues.observe((key, after, before) => {
    const account = after?.account ?? before?.account ?? ''
    const ofAccount = accounts.get(account) ?? new Map<string, Queue>()
    accounts.set(account, ofAccount)
    if (after === undefined) ofAccount.delete(key)
    else ofAccount.set(key, after)
  })

  const messagesOf = (queue: Queue) => index.messages.get(keyOf(queue)) ?? new Map<string, Message>()
  const removeMessage = (queue: Queue, { id }: Message) => {
    const key = `${keyOf(queue)}/${id}`
    return [states.remove(key), contents.remove(key)]
  }
  const clear = (queue: Queue) => [...messagesOf(queue).values()].flatMap((message) => removeMessage(queue, message))
  const remove = (queue: Queue) => [...clear(queue), queues.remove(keyOf(queue))]
  const write = (queue: Queue, { id, text, insertedAt, expiresAt, ...state }: Message, withContent: boolean) => {
    const key = `${keyOf(queue)}/${id}`
    const content = withContent ? [contents.put(key, { text, insertedAt, expiresAt })] : []
    return [...content, states.put(key, state)]
  }

  return {
    get: (account, name) => queues.get(keyOf({ account, name })),
    ofAccount: (account) => [...(accounts.get(account)?.values() ?? [])].toSorted((a, b) => (a.name < b.name ? -1 : 1)),
    put: (queue) => queues.put(keyOf(queue), queue),
    remove,
    removeAll: (account) => [...(accounts.get(account)?.values() ?? [])].flatMap(remove),
    get size() {
      return contents.size
    },
    count: (queue, now) => [...messagesOf(queue).values()].filter(({ expiresAt }) => expiresAt > now).length,
    message(queue, id, now) {
      const message = messagesOf(queue).get(id)
      return message !== undefined && message.expiresAt > now ? message : undefined
    },
    visible(queue, limit, now) {
      const found: Message[] = []
      for (const message of messagesOf(queue).values()) {
        if (found.length >= limit) break
        if (message.visibleAt <= now && message.expiresAt > now) found.push(message)
      }
      return found
    },
    nextVisibleAt(queue, now) {
      let next = Number.POSITIVE_INFINITY
      for (const { visibleAt } of messagesOf(queue).values()) if (visibleAt > now && visibleAt < next) next = visibleAt
      return next
    },
    add(queue, fields) {
      const expired = expiredAtFront(messagesOf(queue), fields.insertedAt)
      checkRoom(queue, messagesOf(queue).size - expired.length, index.bytes.get(queue.account) ?? 0, fields.text)
      const message = { id: randomUUID(), ...fields, popReceipt: newPopReceipt(), dequeueCount: 0 }
      const removed = expired.flatMap((each) => removeMessage(queue, each))
      return { message, changes: [...removed, ...write(queue, message, true)] }
    },
    update(queue, before, fields) {
      const message = { ...before, popReceipt: newPopReceipt(), ...fields }
      return { message, changes: write(queue, message, message.text !== before.text) }
    },
    removeMessage,
    clear,
  }
}

function keyOf({ account, name }: Pick<Queue, 'account' | 'name'>): string {
  return `${account}/${name}`
}

/** Opaque for clients. */
function newPopReceipt(): string {
  return randomBytes(12).toString('base64')
}

/** Messages by queue and id. In a queue, those that were written last are last, so that the others are found first. */
function createIndex() {
  const messages = new Map<string, Map<string, Message>>()
  const bytes = new Map<string, number>()
  const newState: State = { visibleAt: 0, popReceipt: '', dequeueCount: 0 }

  function locate(key: string) {
    const [account = '', queue = '', id = ''] = key.split('/')
    const ofQueue = messages.get(`${account}/${queue}`) ?? new Map<string, Message>()
    messages.set(`${account}/${queue}`, ofQueue)
    return { account, id, queue: `${account}/${queue}`, ofQueue }
  }

  return {
    messages,
    /** Bytes of all texts by account. */
    bytes,
    setContent(key: string, after: Content | undefined, before: Content | undefined): void {
      const { account, queue, id, ofQueue } = locate(key)
      const change = sizeOf(after?.text) - sizeOf(before?.text)
      bytes.set(account, (bytes.get(account) ?? 0) + change)
      if (after !== undefined) ofQueue.set(id, { ...newState, ...ofQueue.get(id), id, ...after })
      else ofQueue.delete(id)
      if (ofQueue.size === 0) messages.delete(queue)
    },
    setState(key: string, state: State | undefined): void {
      const { id, ofQueue } = locate(key)
      const message = ofQueue.get(id)
      if (state === undefined || message === undefined) return
      ofQueue.delete(id)
      ofQueue.set(id, { ...message, ...state })
    },
  }
}

function sizeOf(text = ''): number {
  return Buffer.byteLength(text)
}

function expiredAtFront(messages: ReadonlyMap<string, Message>, now: number): Message[] {
  const expired: Message[] = []
  for (const message of messages.values()) {
    if (message.expiresAt > now || expired.length >= expiredPerPut) break
    expired.push(message)
  }
  return expired
}

function checkRoom({ account, name }: Queue, messages: number, bytes: number, text: string): void {
  const { messages: most, queuedBytes } = storageLimits
  if (messages >= most.value) {
    throw full(
      `The queue '${name}' has ${messages} messages, and the local Azure keeps at most ${most.value} in a queue.`,
    )
  }
  if (bytes + sizeOf(text) <= queuedBytes.value) return
  throw full(
    `The messages of the storage account '${account}' have ${bytes} bytes, and the local Azure keeps at most ${queuedBytes.value} for an account.`,
  )
}

function full(message: string): Refusal {
  return new Refusal(507, 'InsufficientStorage', message)
}
