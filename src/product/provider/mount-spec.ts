import type { ClassSpec } from '#azure/class'
import type { ClassIdentity } from '#azure/identity'
import type { SecretValue } from '#lib'

/** What one volume needs: its class, for one pod. */
export interface MountSpec extends ClassSpec {
  pod: PodRef
  identity: IdentitySpec
  /** Mode of files that name none. */
  defaultMode: number
}

export interface PodRef {
  namespace: string
  name: string
  /** Empty when the driver did not send it. */
  serviceAccount: string
  /** Annotations of the service account, where the caller sent them. */
  accountAnnotations?: Readonly<Record<string, string>> | undefined
}

/** The identity parts of class and volume. */
export interface IdentitySpec extends ClassIdentity {
  /** Empty when the driver sent none. */
  serviceAccountTokens: string
  secrets: ReadonlyMap<string, SecretValue> | undefined
}
