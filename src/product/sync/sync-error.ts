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

/** A failed reconcile. The message is that of the conditions and the event; it holds no value. */
export class SyncError extends CodedError<SyncFailureReason> {
  /** When it is tried again if nothing is edited. */
  readonly next: Next

  /** @param options.next default `backoff` */
  constructor(code: SyncFailureReason, message: string, options: ErrorOptions & { next?: Next | undefined } = {}) {
    const { next = 'backoff', cause } = options
    super(code, message, { cause, retryable: next !== 'asked' })
    this.next = next
  }
}
