import { parseEventMessage } from '../../../src/product/operator/events/parse-event-message.ts'
import { parseQueueMessages } from '../../../src/product/operator/events/parse-queue-messages.ts'
import { parseReceivedEvents } from '../../../src/product/operator/events/topic-client.ts'
import { refuses } from '../expected-error.ts'

const options = { vaultSuffix: 'vault.azure.net' }

/** An answer of a queue or of a namespace, the messages in it, and the bytes as a message. */
export function fuzz(data: Buffer): void {
  const text = data.toString('utf8')
  const messages = [
    ...(refuses(() => parseQueueMessages(text)) ?? []),
    ...(refuses(() => parseReceivedEvents(text)) ?? []),
  ]
  for (const message of [text, data.toString('base64'), ...messages.map((one) => one.text)])
    for (const { id, vaultHost, name, at } of parseEventMessage(message, options).events)
      if (id === '' || !/^[a-z0-9.:-]+$/.test(vaultHost) || !/^[a-zA-Z0-9-]*$/.test(name) || Number.isNaN(at))
        throw new Error('an event that is not complete')
}
