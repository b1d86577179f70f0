import { type Clock, SecretValue } from '#lib'
import { IdentityError } from './identity-error.ts'

/** An Entra token for one resource. */
export interface AccessToken {
  token: SecretValue
  /** Milliseconds since the epoch. */
  expiresAt: number
}

/** The common part of what Entra and IMDS answer; numbers come as numbers or as strings. Throws {@link IdentityError}. */
export function readTokenAnswer(body: Buffer, clock: Clock): AccessToken {
  const answer = parseTokenAnswer(body)
  const token = answer['access_token']
  if (typeof token !== 'string' || token === '') {
    throw new IdentityError('entra-rejected', 'the token endpoint answered without an access_token')
  }
  const seconds = Number(answer['expires_in'])
  const lifetime = Number.isFinite(seconds) && seconds > 0 ? seconds * 1000 : 0
  return { token: SecretValue.of(token), expiresAt: clock.now() + lifetime }
}

/** The parser's own words are left out: they quote the answer, and so perhaps a token. Throws {@link IdentityError}. */
export function parseTokenAnswer(body: Buffer): Record<string, unknown> {
  try {
    const answer: unknown = JSON.parse(body.toString('utf8'))
    if (typeof answer === 'object' && answer !== null) return answer as Record<string, unknown>
  } catch {
    // Told below, as for JSON that is no object.
  }
  throw new IdentityError('entra-rejected', `the token endpoint answered ${body.length} bytes that are no JSON object`)
}
