import { type Clock, SecretValue } from '#lib'
import { parseJson, recordOf } from '#lib/formats'
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
  const token = answer.access_token
  if (typeof token !== 'string' || token === '') {
    throw new IdentityError('entra-rejected', 'the token endpoint answered without an access_token')
  }
  const seconds = Number(answer.expires_in)
  const lifetime = Number.isFinite(seconds) && seconds > 0 ? seconds * 1000 : 0
  return { token: SecretValue.of(token), expiresAt: clock.now() + lifetime }
}

/** Throws {@link IdentityError}. */
export function parseTokenAnswer(body: Buffer): Record<string, unknown> {
  try {
    const answer = recordOf(parseJson('the answer', body))
    if (answer !== undefined) return answer
  } catch {
    // Reported below, as for JSON of another kind.
  }
  throw new IdentityError(
    'entra-rejected',
    `the token endpoint answered ${body.length} bytes that are not a JSON object`,
  )
}
