import type { IncomingMessage } from 'node:http'
import { TLSSocket } from 'node:tls'
import { ApiError, unauthorized } from '../api-error.ts'
import type { ServiceAccountTokens, User } from './service-account-tokens.ts'

const anonymous: User = { name: 'system:anonymous', groups: ['system:unauthenticated'] }

/** Who sends a request: by bearer token, else by client certificate, else anonymous. Throws 401 for a credential that is not valid. */
export async function authenticate(request: IncomingMessage, tokens: ServiceAccountTokens): Promise<User> {
  if (request.headers['impersonate-user'] !== undefined) {
    throw new ApiError(403, 'Forbidden', 'impersonation (--as) is not supported by the local cluster')
  }
  const token = /^Bearer\s+(\S+)$/i.exec(request.headers.authorization ?? '')?.[1]
  if (token !== undefined) {
    const user = await tokens.verify(token)
    if (user === undefined) throw unauthorized()
    return user
  }
  return certificateUser(request) ?? anonymous
}

/** Common name = user, organisations = groups. https://kubernetes.io/docs/reference/access-authn-authz/authentication/#x509-client-certificates */
function certificateUser({ socket }: IncomingMessage): User | undefined {
  if (!(socket instanceof TLSSocket)) return undefined
  const { subject } = socket.getPeerCertificate()
  if (subject === undefined) return undefined
  if (!socket.authorized) throw unauthorized()
  const groups = [subject.O ?? []].flat()
  return { name: [subject.CN].flat()[0] ?? '', groups: [...groups, 'system:authenticated'] }
}
