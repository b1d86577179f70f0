import { type Clock, systemClock } from '#lib'
import { createSingleFlight, endsWithin } from '#lib/async'
import type { AccessToken } from './access-token.ts'
import type { AcquireToken } from './acquire-token.ts'
import { applicationOf } from './exchange-token.ts'
import { IdentityError } from './identity-error.ts'
import type { TokenRequest } from './token-request.ts'
import type { Credential } from './ways/index.ts'

/** Tokens of identities, each acquired once and held for a bounded time. */
export interface TokenSource {
  /** @param identityKey identifies the identity: callers with the same key share, others never do. See `createIdentityKeys`. */
  get(identityKey: string, credential: Credential, request: TokenRequest): Promise<AccessToken>
  /** Whether `get` has a token to give without a sign-in. */
  isHeld(identityKey: string, request: TokenRequest): boolean
  /** For how many more milliseconds `get` gives the same token without a sign-in; 0 where it would sign in. */
  heldMs(identityKey: string, request: TokenRequest): number
  /** Drops a token that the resource refused. */
  forget(identityKey: string, request: TokenRequest, refused: AccessToken): void
}

export interface TokenSourceOptions {
  acquire: AcquireToken
  /**
   * How long a token is used, in milliseconds; a removed federated credential takes effect after that. A token that is older is used on while
   * Entra asks for fewer sign-ins or cannot answer, until five minutes before its end. Default 10 minutes.
   */
  holdMs?: number | undefined
  /** Load of an application, see `createSignInLoad`: a token is used longer by as many times `holdMs`. Default 0. */
  loadOf?: ((application: string) => number) | undefined
  clock?: Clock | undefined
  onAcquired?: ((kind: Credential['kind'], outcome: 'ok' | Error) => void) | undefined
}

interface Held {
  token: AccessToken
  /** On the monotonic clock. */
  since: number
  until: number
  /** Load of the application when the token was acquired. */
  load: number
  /** When another token may be asked for, after an attempt that gave none. */
  retryAt: number
}

interface State {
  acquire: AcquireToken
  holdMs: number
  loadOf: (application: string) => number
  clock: Clock
  onAcquired: NonNullable<TokenSourceOptions['onAcquired']>
  held: Map<string, Held>
  joinFlight: ReturnType<typeof createSingleFlight<AccessToken>>
}

/** A token is not used in its last five minutes, or the vault might see it after its end. */
const spareMs = 5 * 60_000
/** Tokens held at once; the oldest goes first. */
const maxHeld = 10_000
/** How long a caller with a token that is still valid waits for a newer one, and how long none is asked for after that failed. */
const patienceMs = 5000
const retryMs = 60_000

export function createTokenSource(options: TokenSourceOptions): TokenSource {
  const state: State = {
    acquire: options.acquire,
    holdMs: options.holdMs ?? 10 * 60_000,
    loadOf: options.loadOf ?? (() => 0),
    clock: options.clock ?? systemClock,
    onAcquired: options.onAcquired ?? (() => {}),
    held: new Map(),
    joinFlight: createSingleFlight<AccessToken>(),
  }
  const { held } = state
  return {
    get: (identityKey, credential, request) => getToken(state, cacheKey(identityKey, request), credential, request),
    isHeld: (identityKey, request) => (held.get(cacheKey(identityKey, request))?.until ?? 0) > state.clock.elapsed(),
    heldMs(identityKey, request) {
      const entry = held.get(cacheKey(identityKey, request))
      if (entry === undefined) return 0
      const until = Math.min(entry.until, entry.since + state.holdMs * (1 + entry.load))
      return Math.max(until - state.clock.elapsed(), 0)
    },
    forget(identityKey, request, refused) {
      const key = cacheKey(identityKey, request)
      if (held.get(key)?.token === refused) held.delete(key)
    },
  }
}

async function getToken(
  state: State,
  key: string,
  credential: Credential,
  request: TokenRequest,
): Promise<AccessToken> {
  const { clock, held, holdMs, loadOf } = state
  const now = clock.elapsed()
  const entry = held.get(key)
  const isValid = entry !== undefined && entry.until > now
  const load = () => Math.max(entry?.load ?? 0, loadOf(applicationOf(credential, request.cloud)))
  if (isValid && (now < entry.since + holdMs * (1 + load()) || now < entry.retryAt)) return entry.token
  const newer = state.joinFlight(key, () => acquireAndHold(state, key, credential, request))
  return isValid ? newerOr(state, entry, newer) : newer
}

/** A newer token, or the valid one where Entra gives none in time for a reason that passes. */
async function newerOr({ clock }: State, entry: Held, newer: Promise<AccessToken>): Promise<AccessToken> {
  if (!(await endsWithin(newer, patienceMs, { clock }))) return entry.token
  try {
    return await newer
  } catch (error) {
    if (error instanceof IdentityError && error.retryable) return entry.token
    throw error
  }
}

async function acquireAndHold(
  state: State,
  key: string,
  credential: Credential,
  request: TokenRequest,
): Promise<AccessToken> {
  const { acquire, clock, held, onAcquired } = state
  let token: AccessToken
  try {
    // The flight serves every caller of this identity, so no single caller's end may cancel it.
    token = await acquire(credential, { ...request, signal: undefined })
  } catch (error) {
    onAcquired(credential.kind, error as Error)
    const entry = held.get(key)
    if (entry !== undefined) entry.retryAt = clock.elapsed() + retryMs
    if (error instanceof IdentityError && !error.retryable) held.delete(key)
    throw error
  }
  onAcquired(credential.kind, 'ok')
  hold(state, key, token, state.loadOf(applicationOf(credential, request.cloud)))
  return token
}

function hold({ clock, held, holdMs }: State, key: string, token: AccessToken, load: number): void {
  const usableMs = token.expiresAt - clock.now() - spareMs
  if (usableMs <= 0 || holdMs <= 0) return
  const since = clock.elapsed()
  const entry: Held = { token, since, until: since + usableMs, load, retryAt: 0 }
  held.set(key, entry)
  for (const oldest of held.keys()) {
    if (held.size <= maxHeld) break
    held.delete(oldest)
  }
  clock.after(usableMs, () => {
    if (held.get(key) === entry) held.delete(key)
  })
}

function cacheKey(identityKey: string, { cloud, resource }: TokenRequest): string {
  return JSON.stringify([identityKey, cloud.authority, resource])
}
