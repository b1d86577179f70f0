import type { Server as HttpServer, IncomingMessage, ServerResponse } from 'node:http'

/** What is told of each exchange of a server: its request, when the head has come and when the answer has ended. */
export interface ExchangeFollower {
  begun?(request: IncomingMessage): void
  ended(request: IncomingMessage): void
}

/**
 * Tells the followers of every exchange. All of them share one listener per response, which holds nothing of the exchange: what
 * a listener holds lives until the answer is written, and then outlives the young generation on a busy server.
 */
export function followExchanges(server: HttpServer, followers: readonly ExchangeFollower[]): void {
  function onClose(this: ServerResponse) {
    for (const follower of followers) follower.ended(this.req)
  }
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    for (const follower of followers) follower.begun?.(request)
    response.on('close', onClose)
  })
}
