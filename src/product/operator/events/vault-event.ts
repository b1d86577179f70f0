/** What a vault reports: something has changed. It has no value: who acts on it asks the vault. */
export interface VaultEvent {
  /** Of the event, not of the message: one that is delivered twice has the same. */
  id: string
  /** Host of the vault, in lower case. */
  vaultHost: string
  /** `access`: who may read the vault has changed, so each object of it is concerned. */
  kind: 'secret' | 'key' | 'certificate' | 'access'
  /** Empty for `access`. */
  name: string
  /** The new version; empty where the event names none. */
  version: string
  /** When it happened, in milliseconds since the Unix epoch, by the vault's clock. */
  at: number
}

/**
 * Where events come from. One that was not given back by `done` comes again; one may come twice, late, or after newer ones.
 */
export interface EventSource {
  /** For metrics and messages: `queue`, `namespace topic` or `vault NAME`. */
  readonly name: string
  /** The vaults of which it reports every change; undefined where that is not known. */
  readonly coverage?: Coverage | undefined
  /** Waits for events; the list is empty where there were none for a while. Rejects when the source does not answer. */
  next(signal: AbortSignal): Promise<readonly VaultEvent[]>
  /** These need not be delivered again. Rejects when the source does not answer: then, they may come again. */
  done(events: readonly VaultEvent[], signal: AbortSignal): Promise<void>
}

/** What can be relied on. */
export interface Coverage {
  /** Hosts of the vaults. */
  vaults: readonly string[]
  /** What happens while nothing asks the source is reported later, for so long; in milliseconds. */
  keepsMs: number
  /** How many events are known to be lost. */
  lost(): number
}

/** Why an event leads to nothing. */
export type IgnoredReason =
  /** The message is not one of Event Grid, or it is incomplete. */
  | 'invalid'
  /** An event of another type, such as `SecretNearExpiry`. */
  | 'type'
  /** No class has an object of that vault and name. */
  | 'unmatched'
  /** The classes have another version of that object by `objectVersion`. */
  | 'pinned'
  /** The same event has been processed. */
  | 'duplicate'
  /** It was delivered more than five times, and never processed. */
  | 'undeliverable'
