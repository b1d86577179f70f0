import type { QueueClient } from '#product/operator'
import type { SimulatedProcess } from './simulated-process.ts'
import { epoch, type World } from './world.ts'

/** How the simulated queue behaves: as a storage queue, or as an event subscription of a namespace. */
export type QueueKind = 'queue' | 'namespace topic'

/**
 * Messages come at least once, in no order, and are invisible for a time after each delivery: for as long as the reader asks for in a
 * storage queue, for a minute in a namespace. There, a receive waits for messages, and an event that was sent twice is two messages.
 */
export interface SimulatedQueue {
  /** Puts a message into the queue, after a while. While the world is stormy, it may come twice, or much later than others. */
  send(text: string): void
  readonly length: number
  clientFor(process: SimulatedProcess): QueueClient
}

interface Message {
  id: string
  text: string
  insertedAt: number
  dequeueCount: number
  receipt: string
  visibleAt: number
}

const mostMessages = 32
const lockSeconds = 60
const waitMs = 5000

export function createQueue(world: World, kind: QueueKind = 'queue'): SimulatedQueue {
  const { time, random } = world
  const messages: Message[] = []
  let ids = 0
  const isTopic = kind === 'namespace topic'
  const idOf = ({ id, text }: Message) => (isTopic ? text : id)
  const visible = () => messages.filter(({ visibleAt }) => visibleAt <= time.now)
  const put = (text: string) => {
    const insertedAt = epoch + time.now
    messages.push({ id: `m${++ids}`, text, insertedAt, dequeueCount: 0, receipt: '', visibleAt: time.now })
  }
  function receive(seconds: number) {
    const found = random.chance(0.3) ? visible().toReversed() : visible()
    return found.slice(0, mostMessages).map((message) => {
      message.dequeueCount++
      message.receipt = `r${++ids}`
      message.visibleAt = time.now + seconds * 1000
      const { receipt: popReceipt, dequeueCount, insertedAt, text } = message
      return { id: idOf(message), popReceipt, dequeueCount, insertedAt, text }
    })
  }

  async function call<T>(process: SimulatedProcess, what: string, run: () => T, waitsMs = 0): Promise<T> {
    const faults = world.stormy ? random.int(100) : 100
    if (faults < 2) {
      world.count('queue does not answer')
      return new Promise(() => {})
    }
    if (faults < 5) {
      world.count('queue fails')
      throw await process.effect(`${what} fails`, random.between(5, 500), async () => new Error('503 ServerBusy'))
    }
    const endsAt = time.now + waitsMs
    while (visible().length === 0 && time.now < endsAt) await process.effect('wait', 500, async () => undefined)
    const result = await process.effect(what, random.between(2, 50), async () => run())
    if (faults < 7) {
      world.count('queue answer lost')
      throw new Error('the connection was closed')
    }
    return result
  }
  return {
    send(text) {
      time.after(random.between(10, 300), () => put(text))
      if (!world.stormy) return
      if (random.chance(0.1)) time.after(random.between(10, 60_000), () => put(text))
      if (random.chance(0.02)) time.after(random.between(60_000, 300_000), () => put(text))
    },
    get length() {
      return messages.length
    },
    clientFor: (process) => ({
      batch: mostMessages,
      waits: isTopic,
      repeatsIds: isTopic,
      receive: ({ visibilitySeconds }) =>
        withDeadline(
          world,
          call(process, 'receive', () => receive(isTopic ? lockSeconds : visibilitySeconds), isTopic ? waitMs : 0),
          process,
        ),
      delete: (gone) =>
        withDeadline(
          world,
          call(process, 'delete', () => {
            for (const { id, popReceipt } of gone) {
              const index = messages.findIndex((one) => idOf(one) === id && one.receipt === popReceipt)
              if (index >= 0) messages.splice(index, 1)
            }
          }),
          process,
        ),
    }),
  }
}

/** As the HTTP client: a call without an answer ends. */
function withDeadline<T>(world: World, answer: Promise<T>, process: SimulatedProcess): Promise<T> {
  return new Promise((resolve, reject) => {
    const cancel = world.time.after(10_000, () => process.deliver(() => reject(new Error('no answer within 10 s'))))
    answer.then(resolve, reject).finally(cancel)
  })
}
