import { randomBytes } from 'node:crypto'
import type { Clock } from '#lib'
import type { Application, Directory } from '../directory/directory.ts'
import type { Tenant } from '../directory/tenant.ts'
import { EntraRefusal } from './error-response.ts'
import { deviceCodeSeconds } from './limits.ts'
import { clientNotFound } from './sign-in.ts'
import { noProof, requiredField } from './token-request.ts'

const deviceCodeGrant = 'urn:ietf:params:oauth:grant-type:device_code'

/**
 * The ways in which people sign in. The directory has no people, so each way ends in the refusal that Entra has for it, after
 * the checks that Entra makes before: is the client known, and may it do without a secret.
 */
export interface UserSignIn {
  /** Begins a device code flow: the answer of the endpoint. https://www.rfc-editor.org/rfc/rfc8628 */
  deviceCode(form: URLSearchParams): Record<string, unknown>
  /** Why the token endpoint refuses this form; undefined when it is no grant of a user's. */
  refusalOf(form: URLSearchParams): EntraRefusal | undefined
  /** Why nobody can sign in at the page that this query leads to, and where a client wants to be told. */
  refusalOfPage(query: URLSearchParams): { error: EntraRefusal; redirect: URL | undefined }
}

export interface UserSignInOptions {
  /** `https://login.microsoftonline.com` */
  login: string
  tenant: Tenant
  directory: Directory
  clock: Clock
}

export function createUserSignIn({ login, tenant, directory, clock }: UserSignInOptions): UserSignIn {
  /** When each device code ends, in milliseconds since the epoch. */
  const deviceCodes = new Map<string, number>()

  function findClient(clientId: string): Application {
    const application = directory.application(clientId)
    if (application === undefined) throw clientNotFound(clientId, tenant)
    return application
  }

  /** What has no secret can use these ways only when its owner said that it is a public client. */
  function requirePublicClient(form: URLSearchParams): void {
    const { settings } = findClient(requiredField(form, 'client_id').toLowerCase())
    const isPublic = settings?.isFallbackPublicClient === true
    if (!isPublic && !form.has('client_secret') && !form.has('client_assertion')) throw noProof()
  }

  const refusals: Record<string, (form: URLSearchParams) => EntraRefusal> = {
    password(form) {
      const user = requiredField(form, 'username')
      requiredField(form, 'password')
      return noSuchUser(`The user account ${user} does not exist in the ${tenant.displayName} directory.`)
    },
    refresh_token(form) {
      requiredField(form, 'refresh_token')
      return invalidGrant(70000, 'Provided grant is invalid or malformed: the refresh token was not issued here.')
    },
    authorization_code(form) {
      requiredField(form, 'code')
      return invalidGrant(70000, 'Provided grant is invalid or malformed: the authorization code was not issued here.')
    },
    [deviceCodeGrant](form) {
      const end = deviceCodes.get(requiredField(form, 'device_code'))
      if (end === undefined)
        return invalidGrant(70000, 'Provided grant is invalid or malformed: the device code is unknown.')
      if (end <= clock.now()) {
        return new EntraRefusal(
          400,
          'expired_token',
          70020,
          'The provided value for the input parameter "device_code" is not valid. This device code has expired.',
        )
      }
      return new EntraRefusal(
        400,
        'authorization_pending',
        70016,
        'OAuth 2.0 device flow error. Authorization is pending. Continue polling.',
      )
    },
  }

  return {
    deviceCode(form) {
      requirePublicClient(form)
      requiredField(form, 'scope')
      for (const [code, end] of deviceCodes) if (end <= clock.now() - deviceCodeSeconds * 1000) deviceCodes.delete(code)
      const deviceCode = randomBytes(32).toString('base64url')
      const userCode = randomBytes(6).toString('hex').slice(0, 9).toUpperCase()
      deviceCodes.set(deviceCode, clock.now() + deviceCodeSeconds * 1000)
      const verificationUri = `${login}/common/oauth2/deviceauth`
      return {
        user_code: userCode,
        device_code: deviceCode,
        verification_uri: verificationUri,
        expires_in: deviceCodeSeconds,
        interval: 5,
        message: `To sign in, use a web browser to open the page ${verificationUri} and enter the code ${userCode} to authenticate.`,
      }
    },
    refusalOf(form) {
      const refuse = refusals[form.get('grant_type') ?? '']
      if (refuse === undefined) return undefined
      requirePublicClient(form)
      return refuse(form)
    },
    refusalOfPage(query) {
      findClient(requiredField(query, 'client_id').toLowerCase())
      const redirect = URL.parse(query.get('redirect_uri') ?? '')
      if (query.get('prompt') === 'none' && redirect !== null) {
        const text = 'Session information is not sufficient for single-sign-on.'
        return { error: new EntraRefusal(400, 'login_required', 50058, text), redirect }
      }
      const text = `There is nobody to sign in: the ${tenant.displayName} directory has no user accounts.`
      return { error: noSuchUser(text), redirect: undefined }
    },
  }
}

function noSuchUser(text: string): EntraRefusal {
  return invalidGrant(50034, `${text} To sign into this application, the account must be added to the directory.`)
}

function invalidGrant(code: number, text: string): EntraRefusal {
  return new EntraRefusal(400, 'invalid_grant', code, text)
}
