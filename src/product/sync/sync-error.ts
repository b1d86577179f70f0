import { CodedError } from '#lib'

/** Why a SecretSync is not synced: the reasons of its conditions. */
export type SyncFailureReason =
  | 'SecretProviderClassMisconfigured'
  | 'ProviderError'
  | 'RemoteSecretStoreFetchFailed'
  | 'InvalidClusterSecretLabelError'
  | 'InvalidClusterSecretAnnotationError'
  | 'ControllerPatchError'
  | 'ControllerSyncError'

/** A failed reconcile. The message is that of the conditions and the event; it holds no value. */
export class SyncError extends CodedError<SyncFailureReason> {}
