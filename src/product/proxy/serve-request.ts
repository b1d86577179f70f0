import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AccessToken } from '#azure/identity'
import type { Clock, Log } from '#lib'
import { imdsError, sendImdsError, sendJson } from './imds-error.ts'
import { parseTokenRequest, sortRequest, type TokenRequest, type TokenRequestRules } from './imds-request.ts'
import { tokenAnswer } from './token-answer.ts'

export interface ServeRequestOptions {
  rules: TokenRequestRules
  token(request: TokenRequest): Promise<AccessToken>
  /** Passes a request on to the real IMDS. */
  forward(request: IncomingMessage, response: ServerResponse, target: string): Promise<void>
  /** Header `Server` of tokens and refusals. */
  server: string
  clock: Clock
  log: Log
}

/** Answers whatever comes to the address of IMDS. The log gets a line per token request, which never holds a token. */
export function createServeRequest({ rules, token, forward, server, clock, log }: ServeRequestOptions) {
  return async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const startedAt = performance.now()
    const measured = () => ({ status: response.statusCode, durationMs: Math.round(performance.now() - startedAt) })
    try {
      const sorted = sortRequest(request.url ?? '')
      switch (sorted.kind) {
        case 'ready':
          response.writeHead(200, { 'content-type': 'text/plain' }).end('ok')
          return
        case 'token':
          await giveToken(request, response, sorted.query, measured)
          return
        case 'other':
          await forward(request, response, sorted.target)
          // Not the query: what IMDS is asked for is its and the application's business.
          log.debug({ path: sorted.target.split('?')[0]?.slice(0, 200), ...measured() }, 'passed on')
          return
        default:
          throw new Error(`unknown request ${JSON.stringify(sorted satisfies never)}`)
      }
    } catch (error) {
      const refusal = imdsError(error)
      sendImdsError(response, refusal)
      log.info({ reason: refusal.message, ...measured() }, 'request refused')
    }
  }

  async function giveToken(
    { method = '', headers }: IncomingMessage,
    response: ServerResponse,
    query: URLSearchParams,
    measured: () => object,
  ): Promise<void> {
    response.setHeader('server', server)
    let wanted: TokenRequest | undefined
    try {
      wanted = parseTokenRequest({ method, headers, query }, rules)
      sendJson(response, 200, tokenAnswer(wanted, await token(wanted), clock))
      log.info({ ...wanted, ...measured() }, 'token given')
    } catch (error) {
      const refusal = imdsError(error)
      sendImdsError(response, refusal)
      const fields = { ...wanted, ...measured() }
      if (refusal.status >= 500) log.error({ ...fields, err: error }, 'token refused')
      else log.info({ ...fields, reason: refusal.message }, 'token refused')
    }
  }
}
