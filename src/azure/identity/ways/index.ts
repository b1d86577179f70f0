import type { Problems } from '#lib'
import type { AccessToken } from '../access-token.ts'
import type { TokenRequest, TokenTransport } from '../token-request.ts'
import { identityBinding } from './identity-binding.ts'
import { managed } from './managed.ts'
import { podIdentity } from './pod-identity.ts'
import { servicePrincipal } from './service-principal.ts'
import type { IdentityParameters, Keying, KeyParts, Way, WayParameter } from './way.ts'
import { workload } from './workload.ts'

/** Every way to sign in. */
const ways = {
  'pod-identity': podIdentity,
  managed,
  'identity-binding': identityBinding,
  workload,
  'service-principal': servicePrincipal,
} as const

export type WayName = keyof typeof ways

/** A proof of who asks. Exactly one is chosen for a volume, see `chooseCredential`. */
export type Credential = Parameters<(typeof ways)[WayName]['describe']>[0]

type CredentialOf<K extends Credential['kind']> = Extract<Credential, { kind: K }>
export type WorkloadCredential = CredentialOf<'workload'>
export type IdentityBindingCredential = CredentialOf<'identity-binding'>
export type ServicePrincipalCredential = CredentialOf<'service-principal'>
export type ManagedCredential = CredentialOf<'managed'>
export type PodIdentityCredential = CredentialOf<'pod-identity'>

/** The ways that a class selects by a boolean parameter, in the order of the reference. */
export const selectableWays: readonly { way: WayName; parameter: WayParameter }[] = Object.entries(ways).flatMap(
  ([name, { parameter }]: [string, Pick<Way<never>, 'parameter'>]) =>
    parameter === undefined ? [] : [{ way: name as WayName, parameter }],
)

/** What is the same for every credential of a way. */
export function rulesOf(way: WayName): Pick<Way<never>, 'manner' | 'clientIdFromAccount' | 'usesTenant'> {
  return ways[way]
}

export function chooseBy(way: WayName, parameters: IdentityParameters, problems: Problems): Credential | undefined {
  return ways[way].choose(parameters, problems)
}

/** Who asks, in words for errors and logs: never contains a proof. */
export function describeCredential(credential: Credential): string {
  return wayOf(credential).describe(credential)
}

export function keyOf(credential: Credential, keying: Keying): Promise<KeyParts> {
  return wayOf(credential).key(credential, keying)
}

export function acquireBy(
  credential: Credential,
  request: TokenRequest,
  transport: TokenTransport,
): Promise<AccessToken> {
  return wayOf(credential).acquire(credential, request, transport)
}

/** TypeScript cannot express that a credential's way takes that very credential. */
function wayOf({ kind }: Credential): Way<Credential> {
  return ways[kind] as unknown as Way<Credential>
}
