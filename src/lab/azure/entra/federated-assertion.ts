import { decodeJwt, errors, type JWTPayload, type JWTVerifyGetKey, jwtVerify } from 'jose'
import type { Clock } from '#lib'
import type { FederatedCredential } from '../directory/federated-credentials.ts'
import { EntraRefusal } from './error-response.ts'
import { IssuerError, type IssuerKeys } from './issuer-keys.ts'

const seeFederation = 'https://learn.microsoft.com/entra/workload-id/workload-identity-federation'
const checkCredential =
  'Check your federated identity credential Subject, Audience and Issuer against the presented assertion.'

export interface AssertionVerifier {
  /** Returns when one of the credentials trusts the assertion. Throws {@link EntraRefusal} with Entra's code. */
  verify(assertion: string, client: AssertingClient): Promise<void>
}

export interface AssertingClient {
  clientId: string
  displayName: string
  credentials: readonly FederatedCredential[]
}

/** Verifies an outside token in Entra's order: does a credential match, is the signature valid, is the time valid. */
export function createAssertionVerifier({ keys, clock }: { keys: IssuerKeys; clock: Clock }): AssertionVerifier {
  return {
    async verify(assertion, client) {
      const claims = decode(assertion)
      matchCredential(claims, client)
      await verifySignature(assertion, claims.iss, keys)
      checkTimes(claims, clock.now())
    },
  }
}

interface PresentedClaims {
  iss: string
  sub: string
  aud: string[]
  exp: number
  nbf: number
}

function decode(assertion: string): PresentedClaims {
  let payload: JWTPayload
  try {
    payload = decodeJwt(assertion)
  } catch {
    throw new EntraRefusal(401, 'invalid_client', 50027, 'JWT token is invalid or malformed.')
  }
  const { iss, sub, aud, exp, nbf, iat } = payload
  if (typeof iss !== 'string' || typeof sub !== 'string' || aud === undefined || typeof exp !== 'number') {
    const missing = Object.entries({ iss, sub, aud, exp }).flatMap(([name, value]) =>
      value === undefined ? [name] : [],
    )
    throw new EntraRefusal(
      401,
      'invalid_client',
      50027,
      `JWT token is invalid or malformed. Missing claims: ${missing.join(', ')}.`,
    )
  }
  return { iss, sub, aud: [aud].flat(), exp, nbf: nbf ?? iat ?? 0 }
}

/** Issuers and subjects are compared byte for byte, with trailing slashes and case. */
function matchCredential({ iss, sub, aud }: PresentedClaims, client: AssertingClient): void {
  const { credentials } = client
  if (credentials.length === 0) {
    throw refusal(
      70025,
      `The client '${client.displayName}'(${client.clientId}) has no configured federated identity credentials.`,
    )
  }
  const ofIssuer = credentials.filter(({ issuer }) => issuer === iss)
  if (ofIssuer.length === 0) {
    throw refusal(
      700211,
      `No matching federated identity record found for presented assertion issuer '${iss}'. ${checkCredential} ${seeFederation} ${configured('issuers', credentials, ({ issuer }) => issuer)}`,
    )
  }
  const ofSubject = ofIssuer.filter(({ subject }) => subject === sub)
  if (ofSubject.length === 0) {
    const configuredSubjects = configured('subjects', ofIssuer, ({ subject }) => subject)
    if (ofIssuer.some(({ subject }) => subject.toLowerCase() === sub.toLowerCase())) {
      throw refusal(
        7002138,
        `No matching federated identity record found for presented assertion subject '${sub}'. The subject matches with case-insensitive comparison, but not with case-sensitive comparison. ${checkCredential} ${seeFederation} ${configuredSubjects}`,
      )
    }
    throw refusal(
      700213,
      `No matching federated identity record found for presented assertion subject '${sub}'. ${checkCredential} ${seeFederation} ${configuredSubjects}`,
    )
  }
  if (!ofSubject.some(({ audiences }) => audiences.some((audience) => aud.includes(audience)))) {
    throw refusal(
      700212,
      `No matching federated identity record found for presented assertion audience '${aud.join(', ')}'. ${checkCredential} ${seeFederation} ${configured('audiences', ofSubject, ({ audiences }) => audiences.join("', '"))}`,
    )
  }
}

async function verifySignature(assertion: string, issuer: string, keys: IssuerKeys): Promise<void> {
  try {
    await verifyWith(await keys.get(issuer), assertion)
  } catch (error) {
    if (!(error instanceof errors.JWKSNoMatchingKey)) throw signatureError(error)
    // The issuer may have rotated its keys since they were fetched.
    await keys
      .refresh(issuer)
      .then((fresh) => verifyWith(fresh, assertion))
      .catch((second: unknown) => {
        throw signatureError(second)
      })
  }
}

async function verifyWith(keys: JWTVerifyGetKey, assertion: string): Promise<void> {
  // checkTimes() compares the times, by the lab's clock and with Entra's error texts.
  await jwtVerify(assertion, keys, { algorithms: ['RS256'], clockTolerance: Number.MAX_SAFE_INTEGER })
}

function signatureError(error: unknown): EntraRefusal {
  if (error instanceof IssuerError) {
    return new EntraRefusal(400, 'invalid_request', 90061, `Request to External OIDC endpoint failed. ${error.message}`)
  }
  const reason =
    error instanceof errors.JWKSNoMatchingKey
      ? 'The key was not found.'
      : error instanceof errors.JOSEAlgNotAllowed
        ? 'The algorithm is not RS256.'
        : 'The provided signature value did not match the expected signature value.'
  return new EntraRefusal(400, 'invalid_grant', 50013, `Assertion failed signature validation. [Reason - ${reason}]`)
}

/** Clocks may differ by five minutes, as Entra allows. */
const skewSeconds = 300

/** Throws {@link EntraRefusal} 700024 when the assertion is expired or not valid yet. */
export function checkTimes({ exp, nbf }: Pick<PresentedClaims, 'exp' | 'nbf'>, nowMs: number): void {
  const now = nowMs / 1000
  if (now < exp + skewSeconds && now >= nbf - skewSeconds) return
  const text = (seconds: number) => new Date(seconds * 1000).toISOString()
  throw refusal(
    700024,
    `Client assertion is not within its valid time range. Current time: ${text(now)}, assertion valid from ${text(nbf)}, expiry time of assertion ${text(exp)}. Review the documentation at https://learn.microsoft.com/entra/identity-platform/certificate-credentials .`,
  )
}

function refusal(code: number, text: string): EntraRefusal {
  return new EntraRefusal(401, 'invalid_client', code, text)
}

/** The configured values, which Azure does not reveal; they show a mistake in the pod's event. See docs/lab.md. */
function configured(
  what: string,
  credentials: readonly FederatedCredential[],
  read: (credential: FederatedCredential) => string,
): string {
  const values = [...new Set(credentials.map(read))]
  const scope =
    what === 'subjects'
      ? 'this identity and issuer'
      : what === 'issuers'
        ? 'this identity'
        : 'this identity, issuer and subject'
  return `Configured ${what} for ${scope}: '${values.join("', '")}'.`
}
