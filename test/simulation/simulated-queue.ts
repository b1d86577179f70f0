import type { QueueClient } from '#product/operator'
import type { SimulatedProcess } from './simulated-process.ts'
import { epoch, type World } from './world.ts'

/** A storage queue: messages come at least once, in no order, and are invisible for a time after each delivery. */
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

export function createQueue(world: World): SimulatedQueue {
  const { time, random } = world
  const messages: Message[] = []
  let ids = 0
  const put = (text: string) => {
    const insertedAt = epoch + time.now
    messages.push({ id: `m${++ids}`, text, insertedAt, dequeueCount: 0, receipt: '', visibleAt: time.now })
  }
  async function call<T>(process: SimulatedProcess, what: string, run: () => T): Promise<T> {
    const faults = world.stormy ? random.int(100) : 100
    if (faults < 2) {
      world.count('queue does not answer')
      return new Promise(() => {})
    }
    if (faults < 5) {
      world.count('queue fails')
      throw await process.effect(`${what} fails`, random.between(5, 500), async () => new Error('503 ServerBusy'))
    }
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
      receive: ({ visibilitySeconds }) =>
        withDeadline(
          world,
          call(process, 'receive', () => {
            const visible = messages.filter(({ visibleAt }) => visibleAt <= time.now)
            const first = random.chance(0.3) ? visible.toReversed() : visible
            return first.slice(0, mostMessages).map((message) => {
              message.dequeueCount++
              message.receipt = `r${++ids}`
              message.visibleAt = time.now + visibilitySeconds * 1000
              const { id, receipt: popReceipt, dequeueCount, insertedAt, text } = message
              return { id, popReceipt, dequeueCount, insertedAt, text }
            })
          }),
          process,
        ),
      delete: ({ id, popReceipt }) =>
        withDeadline(
          world,
          call(process, 'delete', () => {
            const index = messages.findIndex((one) => one.id === id && one.receipt === popReceipt)
            if (index >= 0) messages.splice(index, 1)
            return index >= 0
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
