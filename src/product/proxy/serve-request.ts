import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AccessToken } from '#azure/identity'
import type { Clock, Log } from '#lib'
import { type ForwardToImds, sendJson, sendRefusal, tokenAnswer } from '#product/imds'
import { refusalOf } from './refusal-of.ts'
import { routeOf } from './route.ts'
import { type ProxyTokenRequest, parseTokenRequest, type TokenRequestRules } from './token-request.ts'

/** What it takes to answer requests. */
export interface ProxyState {
  rules: TokenRequestRules
  token(request: ProxyTokenRequest): Promise<AccessToken>
  forward: ForwardToImds
  /** Header `Server` of tokens and refusals. */
  server: string
  clock: Clock
  log: Log
}

/** Answers a request to the address of IMDS. The log gets one line per token request, which never holds a token. Never rejects. */
export async function serveRequest(
  proxy: ProxyState,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { log } = proxy
  const outcome = startOutcome(response)
  try {
    const route = routeOf(request.url ?? '')
    switch (route.kind) {
      case 'ready':
        response.writeHead(200, { 'content-type': 'text/plain' }).end('ok')
        return
      case 'token':
        return await giveToken(proxy, request, response, route.query)
      case 'other':
        await proxy.forward(request, response, route.target)
        // Without the query, which may hold what concerns only IMDS and the application.
        log.debug({ path: route.target.split('?')[0]?.slice(0, 200), ...outcome() }, 'forwarded to IMDS')
        return
      default:
        throw new Error(`unknown route ${JSON.stringify(route satisfies never)}`)
    }
  } catch (error) {
    const refusal = refusalOf(error)
    sendRefusal(response, refusal)
    log.info({ reason: refusal.message, ...outcome() }, 'request refused')
  }
}

async function giveToken(
  { rules, token, server, clock, log }: ProxyState,
  { method = '', headers }: IncomingMessage,
  response: ServerResponse,
  query: URLSearchParams,
): Promise<void> {
  const outcome = startOutcome(response)
  response.setHeader('server', server)
  let wanted: ProxyTokenRequest | undefined
  try {
    wanted = parseTokenRequest({ method, headers, query }, rules)
    sendJson(response, 200, proxyAnswer(wanted, await token(wanted), clock))
    log.info({ ...wanted, ...outcome() }, 'token given')
  } catch (error) {
    const refusal = refusalOf(error)
    sendRefusal(response, refusal)
    const fields = { ...wanted, ...outcome() }
    if (refusal.status >= 500) log.error({ ...fields, err: error }, 'token refused')
    else log.info({ ...fields, reason: refusal.message }, 'token refused')
  }
}

/** By this much less than the token's lifetime is reported, so that no token expires on its way to the client. */
const marginMs = 10_000

/** IMDS's answer with upstream's additions. */
function proxyAnswer({ clientId, resource }: ProxyTokenRequest, token: AccessToken, clock: Clock) {
  const answer = tokenAnswer(token, { resource, now: clock.now(), marginMs })
  return { ...answer, client_id: clientId, ext_expires_in: answer.expires_in, not_before: '0' }
}

/** Status and duration of an answer, for the log. */
function startOutcome(response: ServerResponse): () => { status: number; durationMs: number } {
  const startedAt = performance.now()
  return () => ({ status: response.statusCode, durationMs: Math.round(performance.now() - startedAt) })
}
