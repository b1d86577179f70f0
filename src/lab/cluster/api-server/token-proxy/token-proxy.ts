import { createHash } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createSecureContext, type SecureContextOptions, TLSSocket } from 'node:tls'
import { identityBindingAudience, sniOfCluster } from '#azure/identity'
import { errorMessage, type Log } from '#lib'
import { recordOf, valueAt } from '#lib/formats'
import { callSocket } from '#lib/http'
import { isAllowed } from '../access/authorization.ts'
import type { Pki } from '../access/pki.ts'
import type { ServiceAccountTokens } from '../access/service-account-tokens.ts'
import type { Store } from '../objects/store.ts'

/**
 * The token proxy of AKS's identity bindings: beside the API server, at the same address, under a TLS server name of its own. It
 * authenticates a service account by its token, asks RBAC whether the account may use the identity, and has Azure make the token.
 * https://learn.microsoft.com/azure/aks/identity-bindings-concepts
 */
export interface TokenProxy {
  /** TLS server name. */
  readonly name: string
  /** The name in the certificate of the API server from which clients compute {@link name}. */
  readonly apiServerName: string
  /** For the TLS server: the proxy's certificate for its name, and the API server's for all others. */
  context(servername: string): ReturnType<typeof createSecureContext> | undefined
  /** Whether a request came under the name of the proxy. */
  isFor(request: IncomingMessage): boolean
  handle(context: TokenProxyContext, request: IncomingMessage, response: ServerResponse): Promise<void>
}

interface TokenProxyContext {
  tokens: ServiceAccountTokens
  store: Store
  log: Log
}

/** @param controlSocket of the local Azure that has the bindings */
export async function createTokenProxy(pki: Pki, controlSocket: string): Promise<TokenProxy> {
  const clusterId = createHash('sha256').update(pki.ca).digest('hex').slice(0, 24)
  const name = sniOfCluster(clusterId)
  const { certificate, privateKey } = await pki.issueServer([name])
  const options: SecureContextOptions = { cert: certificate, key: privateKey }
  const secure = createSecureContext(options)
  return {
    name,
    apiServerName: `hcp-kubernetes.${clusterId}.svc.cluster.local`,
    context: (servername) => (servername === name ? secure : undefined),
    isFor: ({ socket }) => socket instanceof TLSSocket && servernameOf(socket) === name,
    async handle(context, request, response) {
      const { status, body } = await answer(context, request, controlSocket).catch((error: unknown): Answer => {
        context.log.error({ err: error }, 'the token proxy failed')
        return refusal(503, 'temporarily_unavailable', `the local Azure does not answer: ${errorMessage(error)}`)
      })
      response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' })
      response.end(JSON.stringify(body))
    },
  }
}

function servernameOf(socket: TLSSocket): string {
  const { servername } = socket as TLSSocket & { servername?: string | false }
  return typeof servername === 'string' ? servername : ''
}

interface Answer {
  status: number
  body: unknown
}

const tokenPath = /^\/[^/]+\/oauth2\/v2\.0\/token$/
const maxFormBytes = 64 * 1024

async function answer(
  { tokens, store }: TokenProxyContext,
  request: IncomingMessage,
  controlSocket: string,
): Promise<Answer> {
  const { method, url = '' } = request
  if (method !== 'POST' || !tokenPath.test(url.split('?')[0] ?? ''))
    return refusal(404, 'not_found', 'The token proxy answers POST /TENANT/oauth2/v2.0/token.')
  const form = await readForm(request)
  if (form === undefined) return refusal(413, 'invalid_request', 'The form is too large.')
  const fields = new URLSearchParams(form)
  const clientId = (fields.get('client_id') ?? '').toLowerCase()
  const user = await tokens.verify(fields.get('client_assertion') ?? '', identityBindingAudience)
  if (user === undefined) {
    const text = `The client assertion is not a valid token of a service account for the audience ${identityBindingAudience}.`
    return refusal(401, 'invalid_client', text)
  }
  const wanted = { ...useIdentity, resource: clientId, subresource: '', namespace: '', name: '' }
  if (!isAllowed(store, user, wanted)) {
    const text = `${user.name} has no right to ${useIdentity.verb} ${clientId} in the API group ${useIdentity.group}: a ClusterRole and a ClusterRoleBinding grant it.`
    return refusal(403, 'access_denied', text)
  }
  const call = { method: 'POST', path: '/identity-bindings/token', body: { issuer: tokens.issuer, form } } as const
  const made = await callSocket(controlSocket, call)
  return { status: Number(valueAt(made, 'status')), body: recordOf(valueAt(made, 'body')) ?? {} }
}

const useIdentity = { verb: 'use-managed-identity', group: 'cid.wi.aks.azure.com' }

/** Undefined for a form that is too large. */
async function readForm(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > maxFormBytes) return undefined
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

function refusal(status: number, error: string, description: string): Answer {
  return { status, body: { error, error_description: description } }
}
