/** What people and tools set on a SecretProviderClass. */
export const classAnnotations = {
  /** A new value makes every volume of the class rotate at once. */
  rotate: 'keymount.dev/rotate',
  /** `warn`: what is wrong with this class is told, and never a reason to refuse it. */
  checks: 'keymount.dev/checks',
} as const

/**
 * What Keymount tells on a SecretProviderClassPodStatus beside the fields that the CRD has. Annotations, because the CRD's
 * schema is the field's and drops fields that it does not know.
 */
export const statusAnnotations = {
  lastCheck: 'keymount.dev/last-check',
  lastChange: 'keymount.dev/last-change',
  /** Absent where the driver does not rotate. */
  nextCheck: 'keymount.dev/next-check',
  lastFailure: 'keymount.dev/last-failure',
  /** When the first of the failures in a row happened. */
  failingSince: 'keymount.dev/failing-since',
  /** The gRPC code of the last failure, such as `PermissionDenied`. */
  failureCode: 'keymount.dev/failure-code',
  /** The last value of {@link classAnnotations.rotate} that was acted on; whether it failed says `lastFailure`. */
  rotatedFor: 'keymount.dev/rotated-for',
  /** Names of the Secrets that the class asks for, and of those that it no longer names and that are not removed yet; by commas. */
  secrets: 'keymount.dev/secrets',
} as const
