import type { IncomingMessage } from 'node:http'

/** A body that was received in full. */
export interface ReceivedBody {
  bytes: Buffer
  /** Its memory is no longer used. */
  release(): void
}

/** Why a body was not received: it exceeds its own limit, the limit of all together, or the client is gone. */
export type BodyFault = 'too-large' | 'no-room' | 'broken-off'

export interface BodyBudget {
  /**
   * Receives the body of a request, at most `maxBytes` of it. What follows a fault is read and dropped, because a client that
   * is cut off while it sends does not read the answer.
   */
  receive(request: IncomingMessage, maxBytes: number): Promise<ReceivedBody | BodyFault>
}

/** A body whose end has not arrived. */
interface Incoming {
  chunks: Buffer[]
  size: number
  maxBytes: number
  /** Its place in the list of its budget. */
  index: number
  end(result: ReceivedBody | BodyFault): void
}

interface Budget {
  totalBytes: number
  used: number
  /** In any order. Not a map: one that is filled and emptied by every request is allocated by every request. */
  incoming: Incoming[]
}

/** The body of a request, until it has arrived: the request lives until its answer is written, and would keep its body so long. */
const incomingBody = Symbol('incoming body')
type Receiving = IncomingMessage & { [incomingBody]?: Incoming | undefined }

/**
 * A limit on the memory of all bodies together. When it is reached, the largest body that is still incomplete gives way, so
 * that clients which send much and slowly cannot keep out the small requests of the API server.
 */
export function createBodyBudget(totalBytes: number): BodyBudget {
  const budget: Budget = { totalBytes, used: 0, incoming: [] }
  // The same for every request.
  const listeners = {
    data(this: Receiving, chunk: Buffer) {
      if (this[incomingBody] !== undefined) add(budget, this[incomingBody], chunk)
    },
    end(this: Receiving) {
      if (this[incomingBody] !== undefined) complete(budget, this[incomingBody])
      this[incomingBody] = undefined
    },
    close(this: Receiving) {
      if (this[incomingBody] !== undefined) giveUp(budget, this[incomingBody], 'broken-off')
      this[incomingBody] = undefined
    },
  }
  return {
    receive(request: Receiving, maxBytes) {
      return new Promise((end) => {
        const body = { chunks: [], size: 0, maxBytes, index: budget.incoming.length, end }
        budget.incoming.push(body)
        request[incomingBody] = body
        request.on('data', listeners.data).on('end', listeners.end)
        request.on('error', listeners.close).on('close', listeners.close)
      })
    },
  }
}

function add(budget: Budget, body: Incoming, chunk: Buffer): void {
  if (!isIncoming(budget, body)) return
  body.chunks.push(chunk)
  body.size += chunk.length
  budget.used += chunk.length
  if (body.size > body.maxBytes) giveUp(budget, body, 'too-large')
  while (budget.used > budget.totalBytes) {
    const largest = largestOf(budget.incoming)
    if (largest === undefined) return
    giveUp(budget, largest, 'no-room')
  }
}

function largestOf(bodies: Iterable<Incoming>): Incoming | undefined {
  let largest: Incoming | undefined
  for (const body of bodies) if (largest === undefined || body.size > largest.size) largest = body
  return largest
}

function giveUp(budget: Budget, body: Incoming, fault: BodyFault): void {
  if (!remove(budget, body)) return
  budget.used -= body.size
  body.chunks = []
  body.end(fault)
}

function complete(budget: Budget, body: Incoming): void {
  if (!remove(budget, body)) return
  const { chunks } = body
  const bytes = chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks)
  let held = bytes.length
  const release = () => {
    budget.used -= held
    held = 0
  }
  body.end({ bytes, release })
}

function isIncoming({ incoming }: Budget, body: Incoming): boolean {
  return incoming[body.index] === body
}

/** Whether it was in the list. The last one takes its place. */
function remove(budget: Budget, body: Incoming): boolean {
  if (!isIncoming(budget, body)) return false
  const last = budget.incoming.pop()
  if (last === undefined || last === body) return true
  budget.incoming[body.index] = last
  last.index = body.index
  return true
}
