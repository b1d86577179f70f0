import { type Clock, systemClock } from '#lib'
import { createSingleFlight } from '#lib/async'
import type { AccessToken } from './access-token.ts'
import type { AcquireToken } from './acquire-token.ts'
import type { TokenRequest } from './token-request.ts'
import type { Credential } from './ways/index.ts'

/** Tokens of identities, each acquired once and held for a bounded time. */
export interface TokenSource {
  /** @param identityKey identifies the identity: callers with the same key share, others never do. See `createIdentityKeys`. */
  get(identityKey: string, credential: Credential, request: TokenRequest): Promise<AccessToken>
  /** Drops a token that the resource refused. */
  forget(identityKey: string, request: TokenRequest, refused: AccessToken): void
}

export interface TokenSourceOptions {
  acquire: AcquireToken
  /** How long a token is held, in milliseconds; a removed federated credential takes effect after that. Default 10 minutes. */
  holdMs?: number | undefined
  clock?: Clock | undefined
  onAcquired?: ((kind: Credential['kind'], outcome: 'ok' | 'error') => void) | undefined
}

interface Held {
  token: AccessToken
  /** On the monotonic clock. */
  until: number
}

/** A token is not used in its last five minutes, or the vault might see it after its end. */
const spareMs = 5 * 60_000
/** Tokens held at once; the oldest goes first. */
const maxHeld = 10_000

export function createTokenSource(options: TokenSourceOptions): TokenSource {
  const { acquire, holdMs = 10 * 60_000, clock = systemClock, onAcquired } = options
  const held = new Map<string, Held>()
  const joinFlight = createSingleFlight<AccessToken>()

  async function acquireAndHold(key: string, credential: Credential, request: TokenRequest): Promise<AccessToken> {
    // The flight serves every caller of this identity, so no single caller's end may cancel it.
    const token = await acquire(credential, { ...request, signal: undefined }).catch((error: unknown) => {
      onAcquired?.(credential.kind, 'error')
      throw error
    })
    onAcquired?.(credential.kind, 'ok')
    const hold = Math.min(holdMs, token.expiresAt - clock.now() - spareMs)
    const entry = { token, until: clock.elapsed() + hold }
    if (hold > 0) {
      held.set(key, entry)
      for (const oldest of held.keys()) {
        if (held.size <= maxHeld) break
        held.delete(oldest)
      }
      clock.after(hold, () => {
        if (held.get(key) === entry) held.delete(key)
      })
    }
    return token
  }

  return {
    async get(identityKey, credential, request) {
      const key = cacheKey(identityKey, request)
      const entry = held.get(key)
      if (entry !== undefined && entry.until > clock.elapsed()) return entry.token
      return joinFlight(key, () => acquireAndHold(key, credential, request))
    },
    forget(identityKey, request, refused) {
      const key = cacheKey(identityKey, request)
      if (held.get(key)?.token === refused) held.delete(key)
    },
  }
}

function cacheKey(identityKey: string, { cloud, resource }: TokenRequest): string {
  return JSON.stringify([identityKey, cloud.authority, resource])
}
