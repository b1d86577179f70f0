import { CodedError } from '#lib'
import type { Next } from './sync-queue.ts'

/** Why a Secret is not synced: the reasons of conditions and events. */
export type SyncFailureReason =
  | 'SecretProviderClassMisconfigured'
  | 'ProviderError'
  | 'RemoteSecretStoreFetchFailed'
  | 'InvalidClusterSecretLabelError'
  | 'InvalidClusterSecretAnnotationError'
  | 'ControllerPatchError'
  | 'ControllerSyncError'
  /** Only for a class that has its Secrets made: the service account does not consent. */
  | 'SyncNotAllowed'

export interface SyncErrorOptions extends ErrorOptions {
  /** Default `backoff`. */
  next?: Next | undefined
  /** Default: the message. Releases of upstream that have the condition `SecretCreated` may word it otherwise. */
  notCreated?: string | undefined
}

/** A failed reconcile. The message is that of the conditions and the event; it holds no value. */
export class SyncError extends CodedError<SyncFailureReason> {
  /** When it is tried again if nothing is edited. */
  readonly next: Next
  /** The message of the condition `SecretCreated`. */
  readonly notCreated: string

  constructor(code: SyncFailureReason, message: string, options: SyncErrorOptions = {}) {
    const { next = 'backoff', cause, notCreated = message } = options
    super(code, message, { cause, retryable: next !== 'asked' })
    this.next = next
    this.notCreated = notCreated
  }
}
