import type { IncomingMessage, ServerResponse } from 'node:http'
import { methodNotAllowed, notAcceptable, notSupported } from '../api-error.ts'
import type { ApiContext } from './api-call.ts'
import { aggregatedDiscovery, aggregatedType, resourceList } from './discovery.ts'
import { sendJson } from './http-exchange.ts'
import { openApiDocument, openApiIndex } from './open-api.ts'

/** The version that kubectl prints. */
const serverVersion = {
  major: '1',
  minor: '34',
  gitVersion: 'v1.34.0+keymount-local',
  gitCommit: '',
  gitTreeState: 'clean',
  buildDate: '1970-01-01T00:00:00Z',
  goVersion: 'none',
  compiler: 'none',
  platform: `linux/${process.arch === 'x64' ? 'amd64' : process.arch}`,
}

/** The only media type of the published keys. A real API server, too, refuses a client that accepts plain JSON alone. */
const jwksType = 'application/jwk-set+json'

/**
 * kubectl reads the old OpenAPI document, in protobuf only, when it validates a `kind: List`. An empty one leaves the
 * validation of the items to the server, as the documents of version 3 do for single objects.
 */
const openApiV2Type = 'application/com.github.proto-openapi.spec.v2.v1.0+protobuf'

/** Answers a path that is not a resource: health, version, discovery, OpenAPI and the documents of the token issuer. */
export async function handlePath(
  context: ApiContext,
  request: IncomingMessage,
  response: ServerResponse,
  url: URL,
): Promise<void> {
  const { catalog, tokens } = context
  const { pathname } = url
  const { accept = '*/*' } = request.headers
  if (request.method !== 'GET' && request.method !== 'HEAD') throw methodNotAllowed()
  if (/^\/(healthz|livez|readyz)$/.test(pathname)) {
    response.writeHead(200, { 'content-type': 'text/plain' }).end('ok')
  } else if (pathname === '/api' || pathname === '/apis') {
    if (!accept.includes('as=APIGroupDiscoveryList')) throw notAcceptable(aggregatedType)
    sendJson(response, 200, aggregatedDiscovery(catalog, pathname === '/api'), aggregatedType)
  } else if (pathname === '/openapi/v2') {
    response.writeHead(200, { 'content-type': openApiV2Type, 'content-length': 0 }).end()
  } else if (pathname === '/openid/v1/jwks') {
    if (!accept.includes('*/*') && !accept.includes(jwksType)) throw notAcceptable(jwksType)
    sendJson(response, 200, await tokens.jwks(), jwksType)
  } else {
    const document = documentAt(context, pathname)
    if (document === undefined) throw notSupported(pathname)
    sendJson(response, 200, document)
  }
}

function documentAt({ catalog, tokens }: ApiContext, pathname: string): object | undefined {
  switch (pathname) {
    case '/version':
      return serverVersion
    case '/.well-known/openid-configuration':
      return tokens.discovery()
    case '/openapi/v3':
      return openApiIndex(catalog)
  }
  const [, openApi, core, named = '', version = ''] =
    /^(\/openapi\/v3)?\/(?:(api)|apis\/([^/]+))\/([^/]+)$/.exec(pathname) ?? []
  const group = core === undefined ? named : ''
  return openApi ? openApiDocument(catalog, group, version) : resourceList(catalog, group, version)
}
