/**
 * DNS messages, as far as a name server needs them that answers single questions for IPv4 addresses.
 * https://www.rfc-editor.org/rfc/rfc1035#section-4
 */
export interface Question {
  /** Lower case, without a dot at the end. */
  name: string
  /** 1: IPv4 addresses. */
  type: number
}

export interface Query extends Question {
  id: number
  /** Whether the client asks for recursion; the answer repeats it. */
  recursion: boolean
  /** The bytes of the question. */
  question: Buffer
}

export const addressType = 1

/** Codes of an answer. */
export const answerCodes = { ok: 0, failed: 2, noName: 3 } as const

/** How long a client may keep an answer, in seconds. */
const ttlSeconds = 5
const headerBytes = 12
const internetClass = 1

/** Undefined for a message that is not a query with one question. */
export function parseQuery(message: Buffer): Query | undefined {
  if (message.length < headerBytes) return undefined
  const flags = message.readUInt16BE(2)
  const [isResponse, operation] = [flags >> 15, (flags >> 11) & 15]
  if (isResponse === 1 || operation !== 0 || message.readUInt16BE(4) !== 1) return undefined
  const labels: string[] = []
  let at = headerBytes
  for (;;) {
    const length = message[at]
    // Longer ones are pointers, which a question has no use for.
    if (length === undefined || length > 63) return undefined
    at++
    if (length === 0) break
    if (at + length > message.length) return undefined
    labels.push(message.toString('latin1', at, at + length))
    at += length
  }
  if (at + 4 > message.length || message.readUInt16BE(at + 2) !== internetClass) return undefined
  return {
    id: message.readUInt16BE(0),
    recursion: ((flags >> 8) & 1) === 1,
    name: labels.join('.').toLowerCase(),
    type: message.readUInt16BE(at),
    question: message.subarray(headerBytes, at + 4),
  }
}

/** The answer to a query: its addresses, or a code other than `ok`. */
export function formatAnswer({ id, recursion, question }: Query, code: number, addresses: readonly string[]): Buffer {
  const header = Buffer.alloc(headerBytes)
  header.writeUInt16BE(id, 0)
  // A response of an authority, with recursion.
  header.writeUInt16BE(0x8480 | (recursion ? 0x100 : 0) | code, 2)
  header.writeUInt16BE(1, 4)
  header.writeUInt16BE(addresses.length, 6)
  return Buffer.concat([header, question, ...addresses.map(addressRecord)])
}

/** Its name is a pointer to the question's. */
function addressRecord(address: string): Buffer {
  const record = Buffer.alloc(16)
  record.writeUInt16BE(0xc000 | headerBytes, 0)
  record.writeUInt16BE(addressType, 2)
  record.writeUInt16BE(internetClass, 4)
  record.writeUInt32BE(ttlSeconds, 6)
  record.writeUInt16BE(4, 10)
  record.set(address.split('.').map(Number), 12)
  return record
}
