import { parseServiceAccountTokens, readTokenClaims } from '../../../src/azure/identity/service-account-token.ts'
import { refuses } from '../expected-error.ts'

/** The service account tokens of a pod: the JSON that kubelet sends, and one token in it. */
export function fuzz(data: Buffer): void {
  const text = data.toString('utf8')
  refuses(() => parseServiceAccountTokens(text, ['api://AzureADTokenExchange']), isUpstreams)
  refuses(() => readTokenClaims(text), isUpstreams)
  refuses(() =>
    readTokenClaims(`${Buffer.from('{"alg":"RS256"}').toString('base64url')}.${data.toString('base64url')}.x`),
  )
}

/** In upstream's words, to which the caller gives the code. */
function isUpstreams(error: unknown): boolean {
  return (
    error instanceof Error &&
    /^(service account token|failed to unmarshal service account token|token for audience)/.test(error.message)
  )
}
