import { randomBytes } from 'node:crypto'
import type { Clock } from '#lib'
import type { Application, Directory } from '../directory/directory.ts'
import type { Tenant } from '../directory/tenant.ts'
import { EntraRefusal } from './error-response.ts'
import { deviceCodeSeconds } from './limits.ts'
import { clientNotFound } from './sign-in.ts'
import { noProof, requiredField } from './token-request.ts'

/**
 * The flows in which users sign in. The directory has no users, so each flow ends in Entra's refusal for it, after the
 * checks that Entra makes first: does the client exist, and is it allowed to have no secret.
 */
export interface UserSignIn {
  /** Starts a device code flow: the response of the endpoint. https://www.rfc-editor.org/rfc/rfc8628 */
  deviceCode(form: URLSearchParams): Record<string, unknown>
  /** Why the token endpoint refuses this form; undefined when it is not a user's grant. */
  refusalOf(form: URLSearchParams): EntraRefusal | undefined
  /** Why the sign-in page of this query refuses everyone, and the URL for the client's error response, if it wants one. */
  refusalOfPage(query: URLSearchParams): { error: EntraRefusal; redirect: URL | undefined }
}

export interface UserSignInOptions {
  /** `https://login.microsoftonline.com` */
  login: string
  tenant: Tenant
  directory: Directory
  clock: Clock
}

interface State extends UserSignInOptions {
  /** Expiry of each device code, in milliseconds since the epoch. */
  deviceCodes: Map<string, number>
}

export function createUserSignIn(options: UserSignInOptions): UserSignIn {
  const state: State = { ...options, deviceCodes: new Map() }
  return {
    deviceCode(form) {
      requirePublicClient(state, form)
      requiredField(form, 'scope')
      return newDeviceCode(state)
    },
    refusalOf(form) {
      const refuse = refusals.get(form.get('grant_type') ?? '')
      if (refuse === undefined) return undefined
      requirePublicClient(state, form)
      return refuse(state, form)
    },
    refusalOfPage: (query) => refusalOfPage(state, query),
  }
}

/** A client without a secret can use these flows only when it is registered as a public client. */
function requirePublicClient(state: State, form: URLSearchParams): void {
  const { settings } = findClient(state, requiredField(form, 'client_id').toLowerCase())
  const isPublic = settings?.isFallbackPublicClient === true
  if (!isPublic && !form.has('client_secret') && !form.has('client_assertion')) throw noProof()
}

function findClient({ directory, tenant }: State, clientId: string): Application {
  const application = directory.application(clientId)
  if (application === undefined) throw clientNotFound(clientId, tenant)
  return application
}

function newDeviceCode({ deviceCodes, clock, login }: State) {
  const now = clock.now()
  for (const [code, expiry] of deviceCodes) if (expiry <= now - deviceCodeSeconds * 1000) deviceCodes.delete(code)
  const deviceCode = randomBytes(32).toString('base64url')
  const userCode = randomBytes(6).toString('hex').slice(0, 9).toUpperCase()
  deviceCodes.set(deviceCode, now + deviceCodeSeconds * 1000)
  const verificationUri = `${login}/common/oauth2/deviceauth`
  return {
    user_code: userCode,
    device_code: deviceCode,
    verification_uri: verificationUri,
    expires_in: deviceCodeSeconds,
    interval: 5,
    message: `To sign in, use a web browser to open the page ${verificationUri} and enter the code ${userCode} to authenticate.`,
  }
}

/** The users' grants by `grant_type`. */
const refusals: ReadonlyMap<string, (state: State, form: URLSearchParams) => EntraRefusal> = new Map([
  ['password', refusePassword],
  ['refresh_token', refuseRefreshToken],
  ['authorization_code', refuseAuthorizationCode],
  ['urn:ietf:params:oauth:grant-type:device_code', refuseDeviceCode],
])

function refusePassword({ tenant }: State, form: URLSearchParams): EntraRefusal {
  const user = requiredField(form, 'username')
  requiredField(form, 'password')
  return noSuchUser(`The user account ${user} does not exist in the ${tenant.displayName} directory.`)
}

function refuseRefreshToken(_state: State, form: URLSearchParams): EntraRefusal {
  requiredField(form, 'refresh_token')
  return invalidGrant(70000, 'Provided grant is invalid or malformed: the refresh token was not issued here.')
}

function refuseAuthorizationCode(_state: State, form: URLSearchParams): EntraRefusal {
  requiredField(form, 'code')
  return invalidGrant(70000, 'Provided grant is invalid or malformed: the authorization code was not issued here.')
}

function refuseDeviceCode({ deviceCodes, clock }: State, form: URLSearchParams): EntraRefusal {
  const expiry = deviceCodes.get(requiredField(form, 'device_code'))
  if (expiry === undefined) {
    return invalidGrant(70000, 'Provided grant is invalid or malformed: the device code is unknown.')
  }
  if (expiry <= clock.now()) {
    const text = 'The provided value for the input parameter "device_code" is not valid. This device code has expired.'
    return new EntraRefusal(400, 'expired_token', 70020, text)
  }
  const text = 'OAuth 2.0 device flow error. Authorization is pending. Continue polling.'
  return new EntraRefusal(400, 'authorization_pending', 70016, text)
}

function refusalOfPage(state: State, query: URLSearchParams): ReturnType<UserSignIn['refusalOfPage']> {
  findClient(state, requiredField(query, 'client_id').toLowerCase())
  const redirect = URL.parse(query.get('redirect_uri') ?? '')
  if (query.get('prompt') === 'none' && redirect !== null) {
    const text = 'Session information is not sufficient for single-sign-on.'
    return { error: new EntraRefusal(400, 'login_required', 50058, text), redirect }
  }
  const text = `No user can sign in: the ${state.tenant.displayName} directory has no user accounts.`
  return { error: noSuchUser(text), redirect: undefined }
}

function noSuchUser(text: string): EntraRefusal {
  return invalidGrant(50034, `${text} To sign into this application, the account must be added to the directory.`)
}

function invalidGrant(code: number, text: string): EntraRefusal {
  return new EntraRefusal(400, 'invalid_grant', code, text)
}
