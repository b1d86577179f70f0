import type { Problems, SecretValue } from '#lib'
import type { AccessToken } from '../access-token.ts'
import type { ServiceAccountToken } from '../service-account-token.ts'
import type { TokenRequest, TokenTransport } from '../token-request.ts'

/** Annotations by which a service account names its identity, as the workload identity webhook reads them. */
export const clientIdAnnotation = 'azure.workload.identity/client-id'
export const tenantIdAnnotation = 'azure.workload.identity/tenant-id'

/** The identity parts of class, service account and volume, with defaults filled in. */
export interface IdentityParameters {
  /** Empty when neither the class nor the service account names one. */
  clientId: string
  tenantId: string
  /** Client id of the user-assigned managed identity; empty for the system-assigned one. */
  userAssignedIdentityId: string
  /** The JSON of `csi.storage.k8s.io/serviceAccount.tokens`; empty when the driver sent none. */
  serviceAccountTokens: string
  /** Audiences of the token that Entra exchanges, the preferred one first. Default `api://AzureADTokenExchange`. */
  audiences?: readonly string[] | undefined
  /** Content of the class's `nodePublishSecretRef`; undefined when the volume has none. */
  secrets: ReadonlyMap<string, SecretValue> | undefined
  podName: string
  podNamespace: string
}

/** How a class asks for a way to sign in. The rows of the class's parameters are made of these. */
export interface WayParameter {
  name: string
  /** The first release of the Azure provider that had it, or `Keymount`. */
  since: string
  /** One sentence for the reference. */
  meaning: string
  /** Parameter to use instead; undefined for a current one. */
  deprecated?: string
}

export interface Keying {
  /** Digest of proofs under a secret of this process, so that a key reveals nothing. */
  fingerprint(...proofs: (SecretValue | undefined)[]): string
  /** Whether this token was signed by the cluster and is valid now. */
  verify(token: ServiceAccountToken): Promise<boolean>
}

/**
 * What shows who asks without asking Entra: `own` what the caller presents, which we have verified or which is equal to what
 * Entra accepted; `sign-in` nothing but a token that was just given; `none` nothing at all.
 */
export type Proof = 'own' | 'sign-in' | 'none'

/** Values without a proof in them that distinguish an identity from every other one of its way. */
export interface KeyParts {
  parts: readonly unknown[]
  proof: Proof
}

/**
 * One way to prove an identity: from the class to the token. A way is a file of this folder and a row in the list of
 * `ways/index.ts`.
 */
export interface Way<C extends { kind: string; tenantId: string }> {
  readonly kind: C['kind']
  /** Boolean parameter of the class that selects this way; undefined for ways that are chosen by what else there is. */
  readonly parameter?: WayParameter
  /** How it signs in, for reports: what follows “signs in”. */
  readonly manner: string
  /** Whether a client id that the class leaves out comes from the service account. */
  readonly clientIdFromAccount: boolean
  /** Whether the tenant decides anything. It is required of every class, as upstream requires it. */
  readonly usesTenant: boolean
  /** The credential, or undefined when something is missing or wrong, which is added to `problems`. */
  choose(parameters: IdentityParameters, problems: Problems): C | undefined
  /** Who asks, in words for errors and logs: never contains a proof. */
  describe(credential: C): string
  /** What distinguishes this identity from every other one of this way, see `createIdentityKeys`. */
  key(credential: C, keying: Keying): Promise<KeyParts>
  acquire(credential: C, request: TokenRequest, transport: TokenTransport): Promise<AccessToken>
}

/** In the words of upstream. */
export function authProblem(problems: Problems, mode: 'None' | 'AzureTokenProxy', reason: string): undefined {
  problems.add('', `failed to build auth config for mode ${mode}: ${reason}`)
  return undefined
}
