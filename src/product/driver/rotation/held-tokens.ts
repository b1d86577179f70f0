import type { HeldToken } from '#kubernetes/provider-protocol'
import type { Clock } from '#lib'

/** Until when the provider of this node reads for each identity without another sign-in, by `clock.elapsed()`, as it last answered. */
export type HeldTokens = Map<string, number>

/** The identity whose token has the earliest end goes first. A node has some hundred volumes. */
const mostHeld = 1000

/** Remembers the token of an answer. @returns its identity; undefined where the provider holds none. */
export function rememberToken(tokens: HeldTokens, token: HeldToken | undefined, clock: Clock): string | undefined {
  if (token === undefined) return undefined
  const now = clock.elapsed()
  tokens.delete(token.identity)
  tokens.set(token.identity, now + token.ms)
  for (const [identity, until] of tokens) if (until <= now || tokens.size > mostHeld) tokens.delete(identity)
  return token.identity
}
