import type { ClassIdentity, ClassSpec } from '#azure/class'
import type { SecretValue } from '#lib'

/** What one volume wants: its class, for one pod. */
export interface MountSpec extends ClassSpec {
  pod: PodRef
  identity: IdentitySpec
  /** Mode of files that name none. */
  defaultMode: number
}

export interface PodRef {
  namespace: string
  name: string
  /** Empty when the driver does not say. */
  serviceAccount: string
}

/** What class, pod and volume say about identity. */
export interface IdentitySpec extends ClassIdentity {
  /** Empty when the driver sent none. */
  serviceAccountTokens: string
  secrets: ReadonlyMap<string, SecretValue> | undefined
}
