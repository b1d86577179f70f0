import { X509Certificate } from 'node:crypto'
import { decodeJwt, decodeProtectedHeader, errors, jwtVerify } from 'jose'
import type { Clock } from '#lib'
import { type KeyCredential, verdictAt } from '../directory/credentials.ts'
import type { Directory } from '../directory/directory.ts'
import type { Tenant } from '../directory/tenant.ts'
import { EntraRefusal } from './error-response.ts'
import { checkTimes } from './federated-assertion.ts'

export interface OwnAssertionOptions {
  /** `https://login.microsoftonline.com` */
  login: string
  tenant: Tenant
  directory: Directory
  clock: Clock
}

/** Assertions that an application signs itself, with a certificate that is registered for it. */
export interface OwnAssertions {
  /** Returns when the assertion proves the client. Throws {@link EntraRefusal}. */
  verify(assertion: string, clientId: string): Promise<void>
}

/** True when issuer and subject are the same: the application signed the assertion itself. */
export function isOwnAssertion(assertion: string): boolean {
  try {
    const { iss, sub } = decodeJwt(assertion)
    return iss !== undefined && iss === sub
  } catch {
    return false
  }
}

/** https://learn.microsoft.com/entra/identity-platform/certificate-credentials */
export function createOwnAssertions({ login, tenant, directory, clock }: OwnAssertionOptions): OwnAssertions {
  const segments = [tenant.tenantId, tenant.domain, 'common', 'organizations']
  const paths = ['/oauth2/v2.0/token', '/oauth2/token', '/v2.0', '', '/']
  const audiences = new Set(segments.flatMap((segment) => paths.map((path) => `${login}/${segment}${path}`)))

  return {
    async verify(assertion, clientId) {
      const { iss, aud, exp, nbf, iat } = decodeJwt(assertion)
      if (iss?.toLowerCase() !== clientId) {
        throw refusal(700021, "Client assertion application identifier doesn't match 'client_id' parameter.")
      }
      if (![aud ?? []].flat().some((audience) => audiences.has(audience))) {
        throw refusal(
          700023,
          'Client assertion audience claim does not match Realm issuer. Review the documentation at https://learn.microsoft.com/entra/identity-platform/certificate-credentials .',
        )
      }
      const certificate = certificateOf(assertion, directory.keysOf(clientId), clock.now())
      await verifySignature(assertion, certificate)
      checkTimes({ exp: exp ?? 0, nbf: nbf ?? iat ?? 0 }, clock.now())
    },
  }
}

/** The registered certificate that the header names by its thumbprint. */
function certificateOf(assertion: string, keys: readonly KeyCredential[], now: number): X509Certificate {
  const { x5t, 'x5t#S256': x5tS256, kid } = decodeProtectedHeader(assertion) as Record<string, string | undefined>
  const named = x5tS256 ?? x5t
  const wanted = named === undefined ? kid : Buffer.from(named, 'base64url').toString('hex').toUpperCase()
  for (const key of keys) {
    const certificate = new X509Certificate(Buffer.from(key.key, 'base64'))
    const digest = x5tS256 === undefined ? certificate.fingerprint : certificate.fingerprint256
    if (digest.replaceAll(':', '') !== wanted?.toUpperCase()) continue
    if (verdictAt(key, now) === 'valid') return certificate
    throw badKey(
      `The key used is expired., Thumbprint of key used by client: '${wanted}', Found key 'Start=${key.startDateTime}, End=${key.endDateTime}'`,
    )
  }
  throw badKey(`The key was not found., Thumbprint of key used by client: '${wanted ?? ''}'`)
}

async function verifySignature(assertion: string, { publicKey }: X509Certificate): Promise<void> {
  try {
    // checkTimes() compares the times, by the lab's clock and with Entra's error texts.
    await jwtVerify(assertion, publicKey, {
      algorithms: ['RS256', 'PS256'],
      clockTolerance: Number.MAX_SAFE_INTEGER,
    })
  } catch (error) {
    const reason =
      error instanceof errors.JOSEAlgNotAllowed
        ? 'The algorithm is neither RS256 nor PS256.'
        : 'The provided signature value did not match the expected signature value.'
    throw badKey(reason)
  }
}

function badKey(reason: string): EntraRefusal {
  return refusal(
    700027,
    `The certificate with identifier used to sign the client assertion is not registered on application. [Reason - ${reason}]. Review the documentation at https://learn.microsoft.com/entra/identity-platform/certificate-credentials .`,
  )
}

function refusal(code: number, text: string): EntraRefusal {
  return new EntraRefusal(401, 'invalid_client', code, text)
}
