/** A message as a storage queue gives it. https://learn.microsoft.com/rest/api/storageservices/get-messages */
export interface QueueMessage {
  id: string
  /** Allows its deletion, until the message is delivered again. */
  popReceipt: string
  /** How often it was delivered, this time included. */
  dequeueCount: number
  /** When it was put into the queue, in milliseconds since the Unix epoch; NaN where the answer has no such time. */
  insertedAt: number
  text: string
}

/**
 * The messages of the XML that a queue answers with. It is made by the service, without attributes and with known elements;
 * what is of another form gives no message. Throws nothing.
 */
export function parseQueueMessages(xml: string): QueueMessage[] {
  return blocks(xml, 'QueueMessage').map((message) => {
    const field = (name: string) => decoded(blocks(message, name)[0] ?? '')
    return {
      id: field('MessageId'),
      popReceipt: field('PopReceipt'),
      dequeueCount: Number(field('DequeueCount')) || 1,
      insertedAt: Date.parse(field('InsertionTime')),
      text: field('MessageText'),
    }
  })
}

/** What is between each `<name>` and the next `</name>`. */
function blocks(xml: string, name: string): string[] {
  const [open, close] = [`<${name}>`, `</${name}>`]
  const found: string[] = []
  for (let from = xml.indexOf(open); from >= 0; ) {
    const end = xml.indexOf(close, from)
    if (end < 0) break
    found.push(xml.slice(from + open.length, end))
    from = xml.indexOf(open, end)
  }
  return found
}

const entities: Readonly<Record<string, string>> = { lt: '<', gt: '>', amp: '&', quot: '"', apos: "'" }

function decoded(text: string): string {
  return text.replace(/&(#x[0-9a-fA-F]{1,6}|#\d{1,7}|[a-z]{2,4});/g, (whole, entity: string) => {
    if (!entity.startsWith('#')) return entities[entity] ?? whole
    const code = entity.startsWith('#x') ? Number.parseInt(entity.slice(2), 16) : Number(entity.slice(1))
    return code <= 0x10ffff ? String.fromCodePoint(code) : whole
  })
}
