import type { Server as HttpServer, IncomingMessage, ServerResponse } from 'node:http'

/** What follows the exchanges of a server: called with the request when its head has come, and when its answer has ended. */
export interface ExchangeFollower {
  begun?(request: IncomingMessage): void
  ended(request: IncomingMessage): void
}

/**
 * Calls the followers for every exchange. All of them share one listener per response, which holds nothing of the exchange: what
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
