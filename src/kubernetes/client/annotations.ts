/** What people and tools set on a SecretProviderClass. */
export const classAnnotations = {
  /** A new value makes every volume of the class rotate at once. */
  rotate: 'keymount.dev/rotate',
  /** `warn`: findings about this class are warnings, and never a reason to refuse it. */
  checks: 'keymount.dev/checks',
  /**
   * Written by the operator: what changed in the vault, see `ClassChange`. A new value is as good as a new `rotate` for Secrets
   * without a pod.
   */
  changed: 'keymount.dev/changed',
  /** Name of a service account: the sync controller makes the Secrets of `secretObjects` as this account, without a pod. */
  syncServiceAccount: 'keymount.dev/sync-service-account',
} as const

/** What people set on a pod. */
export const podAnnotations = {
  /** `DB_PASSWORD=db-password, API_KEY=shop:api-key`: the variable, and a file of the pod's class or of the class that is named. */
  env: 'keymount.dev/env',
  /** `app, worker`: the containers that get the variables. Default: all of the pod's own. */
  envContainers: 'keymount.dev/env-containers',
} as const

/** The init container that the webhook adds for {@link podAnnotations.env}, and its volume. */
export const envName = 'keymount-env'

/** What people set on a ServiceAccount. */
export const accountAnnotations = {
  /** Names of classes, by commas, or `*`: those whose Secrets may be made as this account. */
  syncClasses: 'keymount.dev/sync-classes',
} as const

/**
 * What Keymount writes to a SecretProviderClassPodStatus in addition to the fields that the CRD has. Annotations, because the CRD's
 * schema is upstream's and drops other fields.
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
  /** The last value of {@link classAnnotations.rotate} that was processed; `lastFailure` is set if that failed. */
  rotatedFor: 'keymount.dev/rotated-for',
  /** `metadata.generation` of the class that the volume was last read for: an edit while the driver is down is found after it. */
  classGeneration: 'keymount.dev/class-generation',
  /** Id of the last {@link classAnnotations.changed} for which the volume was read again, successfully. */
  changedFor: 'keymount.dev/changed-for',
  /** Names of the Secrets that the class asks for, and of those that it no longer names and that are not removed yet; by commas. */
  secrets: 'keymount.dev/secrets',
  /** The {@link versionHash} that the pod's containers started with: of the first successful publish, and never again. */
  startedWith: 'keymount.dev/started-with',
  /** The {@link versionHash} that the Secrets of the class carry, as far as this node has written them. */
  mirroredFor: 'keymount.dev/mirrored-for',
  /** The values are as old as this time, because the vault or Entra did not answer. Absent: fresh. */
  staleSince: 'keymount.dev/stale-since',
  /** A Go duration: the volume is polled this rarely, because events of its vaults are confirmed. Absent: at its own interval. */
  pollInterval: 'keymount.dev/poll-interval',
} as const

/** What Keymount writes to the CSIDriver object of its driver. */
export const csiDriverAnnotations = {
  /** Written by the operator: a Go duration, how often a driver writes the times of checks that changed nothing. Default 5m. */
  statusInterval: 'keymount.dev/status-interval',
  /** Written by the operator: see `EventsConfirmation`. Without it, drivers poll at their own intervals. */
  eventsConfirmed: 'keymount.dev/events-confirmed',
} as const
