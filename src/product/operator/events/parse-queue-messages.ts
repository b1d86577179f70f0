import { parseXml, xmlText } from '#lib/formats'

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

/** The messages of the XML that a queue answers with; elements of another form are left out. Throws `XmlError`. */
export function parseQueueMessages(xml: string): QueueMessage[] {
  const { children } = parseXml('the answer of the queue', xml, { maxElements: 1000, maxDepth: 8 })
  return children.flatMap((message) => {
    const field = (name: string) => xmlText(message, name) ?? ''
    const id = field('MessageId')
    const popReceipt = field('PopReceipt')
    if (message.name !== 'QueueMessage' || id === '' || popReceipt === '') return []
    return [
      {
        id,
        popReceipt,
        dequeueCount: Number(field('DequeueCount')) || 1,
        insertedAt: Date.parse(field('InsertionTime')),
        text: field('MessageText'),
      },
    ]
  })
}
