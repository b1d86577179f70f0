import { SecretValue } from '#lib'
import { parseJson, recordOf, stringOf } from '#lib/formats'
import { createRetryingSend, type HttpBody, type HttpRequest, type HttpResponse, type HttpSend } from '#lib/http'
import { type Challenge, parseChallenges } from './challenge.ts'
import { explainFault, RegistryError, refusal } from './registry-error.ts'

export type RegistryCredentials =
  | { kind: 'password'; username: string; password: SecretValue }
  /** Docker calls it identity token. */
  | { kind: 'refresh-token'; token: SecretValue }

export interface RegistryRequest {
  method: NonNullable<HttpRequest['method']>
  /** Path below the repository (`/blobs/…`), or an address that the registry gave. */
  at: string | URL
  headers?: Record<string, string> | undefined
  body?: string | HttpBody | undefined
  /** Time for one attempt, in milliseconds. Default: the client's. */
  timeoutMs?: number | undefined
  /** Sends it once: a body that a registry has begun to read belongs to an upload that has to begin again. Default false. */
  once?: boolean | undefined
}

/** One repository of a registry. */
export interface RegistryClient {
  readonly registry: string
  readonly repository: string
  /** Address of the repository, to which those that the registry gives may be relative. */
  readonly base: URL
  /** Signs in when the registry asks for it. Rejects with {@link RegistryError} for 401, and with `HttpFault`. */
  send(request: RegistryRequest): Promise<HttpResponse>
}

export interface RegistryClientOptions {
  registry: string
  repository: string
  /** HTTP without TLS. Default false. */
  plainHttp?: boolean | undefined
  /** Without retries of its own. */
  send: HttpSend
  /** Called once, when the registry asks. Undefined: none are known. */
  credentials: () => Promise<RegistryCredentials | undefined>
  signal?: AbortSignal | undefined
}

interface State extends RegistryClientOptions {
  base: URL
  patiently: HttpSend
  authorization: string | undefined
  found: Promise<RegistryCredentials | undefined> | undefined
}

/** The name by which Docker Hub is known has no API. */
const apiHosts: Readonly<Record<string, string>> = { 'docker.io': 'registry-1.docker.io' }

export function createRegistryClient(options: RegistryClientOptions): RegistryClient {
  const { registry, repository, plainHttp = false, send } = options
  const host = apiHosts[registry] ?? registry
  const state: State = {
    ...options,
    base: new URL(`${plainHttp ? 'http' : 'https'}://${host}/v2/${repository}`),
    patiently: createRetryingSend({ send }),
    authorization: undefined,
    found: undefined,
  }
  return { registry, repository, base: state.base, send: (request) => sendSignedIn(state, request) }
}

async function sendSignedIn(state: State, request: RegistryRequest): Promise<HttpResponse> {
  const url = typeof request.at === 'string' ? new URL(`${state.base.href}${request.at}`) : request.at
  const first = await sendTo(state, url, request)
  if (first.status !== 401) return first
  state.authorization = await signIn(state, first)
  const second = await sendTo(state, url, request)
  if (second.status === 401) throw refusal(`sign-in for ${state.repository}`, state.registry, second)
  return second
}

async function sendTo(state: State, url: URL, request: RegistryRequest): Promise<HttpResponse> {
  const { authorization, base, signal } = state
  const send = request.once === true ? state.send : state.patiently
  // Uploads may lead to a storage service of another host, which must not get what proves us to the registry.
  const isOurs = url.origin === base.origin
  try {
    return await send({
      method: request.method,
      url,
      headers: { ...request.headers, ...(authorization === undefined || !isOurs ? {} : { authorization }) },
      body: request.body,
      timeoutMs: request.timeoutMs,
      signal,
    })
  } catch (error) {
    throw explainFault(error)
  }
}

/** Gives the value of the header `Authorization` that the registry's 401 asks for. */
async function signIn(state: State, response: HttpResponse): Promise<string> {
  const challenges = parseChallenges(response.headers['www-authenticate'] ?? '')
  state.found ??= state.credentials()
  const credentials = await state.found
  const bearer = challenges.find(({ scheme }) => scheme === 'bearer')
  if (bearer !== undefined) return `Bearer ${(await fetchToken(state, bearer, credentials)).revealText()}`
  const isBasic = challenges.some(({ scheme }) => scheme === 'basic')
  if (isBasic && credentials?.kind === 'password') return basic(credentials)
  throw refusal(`sign-in for ${state.repository}`, state.registry, response)
}

/** https://distribution.github.io/distribution/spec/auth/token/ and, with a refresh token, .../oauth/ */
async function fetchToken(
  state: State,
  { parameters }: Challenge,
  credentials: RegistryCredentials | undefined,
): Promise<SecretValue> {
  const { registry, repository, signal } = state
  const url = realmOf(state, parameters.realm ?? '')
  const query = { service: parameters.service ?? registry, scope: `repository:${repository}:pull,push` }
  const request: HttpRequest =
    credentials?.kind === 'refresh-token'
      ? {
          method: 'POST',
          url,
          headers: { 'content-type': 'application/x-www-form-urlencoded' },
          body: new URLSearchParams({
            grant_type: 'refresh_token',
            client_id: 'keymount',
            ...query,
            refresh_token: credentials.token.revealText(),
          }).toString(),
        }
      : {
          url: withQuery(url, query),
          headers: credentials === undefined ? {} : { authorization: basic(credentials) },
        }
  const response = await state.patiently({ ...request, signal })
  if (response.status !== 200) throw refusal(`sign-in for ${repository}`, url.host, response)
  const answer = recordOf(parseJson(`the answer of ${url.host}`, response.body))
  const token = stringOf(answer?.token) ?? stringOf(answer?.access_token)
  if (token === undefined) throw new RegistryError('refused', `sign-in for ${repository}: ${url.host} gave no token`)
  return SecretValue.of(token)
}

/** Credentials go to the address that the registry names: over TLS, unless the registry itself has none. */
function realmOf({ base, registry }: State, realm: string): URL {
  const url = URL.canParse(realm) ? new URL(realm) : undefined
  if (url?.protocol === 'https:' || (url?.protocol === 'http:' && base.protocol === 'http:')) return url
  throw new RegistryError(
    'refused',
    `${registry} names no https address to sign in at: ${JSON.stringify(realm.slice(0, 200))}`,
  )
}

function withQuery(url: URL, query: Record<string, string>): URL {
  const full = new URL(url)
  for (const [name, value] of Object.entries(query)) full.searchParams.set(name, value)
  return full
}

function basic({ username, password }: { username: string; password: SecretValue }): string {
  return `Basic ${Buffer.from(`${username}:${password.revealText()}`).toString('base64')}`
}
