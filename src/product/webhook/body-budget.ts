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
  end(result: ReceivedBody | BodyFault): void
}

interface Budget {
  totalBytes: number
  used: number
  incoming: Set<Incoming>
}

/**
 * A limit on the memory of all bodies together. When it is reached, the largest body that is still incomplete gives way, so
 * that clients which send much and slowly cannot keep out the small requests of the API server.
 */
export function createBodyBudget(totalBytes: number): BodyBudget {
  const budget: Budget = { totalBytes, used: 0, incoming: new Set() }
  return { receive: (request, maxBytes) => receive(budget, request, maxBytes) }
}

function receive(budget: Budget, request: IncomingMessage, maxBytes: number): Promise<ReceivedBody | BodyFault> {
  return new Promise((resolve) => {
    const body: Incoming = { chunks: [], size: 0, end: resolve }
    budget.incoming.add(body)
    request.on('data', (chunk: Buffer) => add(budget, body, chunk, maxBytes))
    request.on('end', () => complete(budget, body))
    request.on('error', () => giveUp(budget, body, 'broken-off'))
    request.on('close', () => giveUp(budget, body, 'broken-off'))
  })
}

function add(budget: Budget, body: Incoming, chunk: Buffer, maxBytes: number): void {
  if (!budget.incoming.has(body)) return
  body.chunks.push(chunk)
  body.size += chunk.length
  budget.used += chunk.length
  if (body.size > maxBytes) giveUp(budget, body, 'too-large')
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
  if (!budget.incoming.delete(body)) return
  budget.used -= body.size
  body.chunks = []
  body.end(fault)
}

function complete(budget: Budget, body: Incoming): void {
  if (!budget.incoming.delete(body)) return
  const bytes = Buffer.concat(body.chunks)
  body.chunks = []
  let held = bytes.length
  const release = () => {
    budget.used -= held
    held = 0
  }
  body.end({ bytes, release })
}
