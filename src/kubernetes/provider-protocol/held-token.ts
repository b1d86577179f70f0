import { createHash } from 'node:crypto'
import type { Metadata } from '@grpc/grpc-js'

/**
 * Trailing metadata of a Mount answer: for how many more milliseconds volumes of the same identity are read without another sign-in, after a name
 * of that identity: `4f…:592000`. A driver chooses by it when to read after a change, so that not all nodes sign in at once. Absent where no
 * token is held. Other drivers ignore it.
 */
export const heldTokenTrailer = 'keymount-held-token'

/** The token that the provider of a node holds for an identity. */
export interface HeldToken {
  /** A hash: equal for equal identities of one provider. */
  identity: string
  /** How long it is used from now on, in milliseconds. */
  ms: number
}

/** @param identityKey credentials with the same key share the token. */
export function heldTokenText(identityKey: string, ms: number): string {
  const identity = createHash('sha256').update(identityKey).digest('hex').slice(0, 32)
  return ms <= 0 ? '' : `${identity}:${Math.floor(ms)}`
}

/** Reads trailing metadata; undefined where no token is held. A provider may have put anything there. */
export function heldTokenIn(metadata: Metadata): HeldToken | undefined {
  return parseHeldToken(metadata.get(heldTokenTrailer)[0])
}

export function parseHeldToken(text: unknown): HeldToken | undefined {
  const [, identity, ms] = (typeof text === 'string' && /^([0-9a-f]{32}):(\d{1,9})$/.exec(text)) || []
  return identity === undefined ? undefined : { identity, ms: Number(ms) }
}
