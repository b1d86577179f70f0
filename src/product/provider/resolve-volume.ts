import type { ParseObjects } from '#azure/class'
import { type Cloud, type Credential, describeCredential, type TokenSource } from '#azure/identity'
import { type VaultClient, vaultAddress } from '#azure/keyvault'
import { type Log, Problems, type Tracer } from '#lib'
import { checkManagedIdentity, type ManagedIdentityPolicy } from './managed-identities.ts'
import { MountError, parameterError } from './mount-error.ts'
import type { MountSpec } from './mount-spec.ts'
import { parseMount } from './parse-mount.ts'
import type { DecodedRequest } from './parse-mount-request.ts'
import type { PrepareConnections } from './prepare-vault.ts'
import { type CloudDefaults, resolveCloud } from './resolve-cloud.ts'
import { type CredentialDefaults, resolveCredential } from './resolve-credential.ts'

/** How to reach the vaults of a cloud, or of the local Azure. */
export interface VaultAccess {
  client: VaultClient
  tokens: TokenSource
  tracer?: Tracer | undefined
  prepare?: PrepareConnections | undefined
}

/** What decides for a class where its vaults are and who signs in. */
export interface VolumeOptions {
  cloud: CloudDefaults
  credential: CredentialDefaults
  managedIdentities: ManagedIdentityPolicy
  access: VaultAccess
  /** The local Azure for classes with `useEmulator`; undefined where none is configured. */
  emulator: { access: VaultAccess; cloud: Cloud } | undefined
  log: Log
}

/** A volume whose class is understood and whose identity is decided. */
export interface Volume {
  spec: MountSpec
  access: VaultAccess
  cloud: Cloud
  credential: Credential
}

/** The volume that a request asks for. Throws {@link MountError} with every problem of its class and its identity. */
export async function resolveVolume(
  options: VolumeOptions & { parseObjects: ParseObjects },
  decoded: DecodedRequest,
): Promise<Volume> {
  const problems = new Problems()
  const spec = parseMount(decoded, problems, options.parseObjects)
  const { access, cloud } = await resolveAccess(options, spec, problems)
  const result = await resolveCredential(spec, options.credential)
  if ('problems' in result) {
    const code = problems.count === 0 && result.unreadableAccount ? 'service-account-unreadable' : undefined
    for (const { path, message } of result.problems.list) problems.add(path, message)
    throw parameterError(problems, code)
  }
  if (problems.count > 0 || cloud === undefined) throw parameterError(problems)
  const volume = { spec, access, cloud, credential: result.credential }
  checkManagedIdentity(volume.credential, options.managedIdentities)
  logDoubts(options, volume)
  return volume
}

async function resolveAccess(
  { access, emulator, cloud }: VolumeOptions,
  { values }: MountSpec,
  problems: Problems,
): Promise<{ access: VaultAccess; cloud: Cloud | undefined }> {
  if (values.useEmulator) {
    if (emulator !== undefined) return emulator
    const text =
      'useEmulator: this provider has no local Azure configured; remove useEmulator from the class, or start the provider with --emulator-proxy'
    throw new MountError('emulator-not-configured', text)
  }
  try {
    return { access, cloud: await resolveCloud(values, cloud) }
  } catch (error) {
    if (!(error instanceof MountError)) throw error
    // Alone it has its own code; with other problems it is one of them.
    if (problems.count === 0) throw error
    problems.add('', error.message)
    return { access, cloud: undefined }
  }
}

/** What is allowed, and may not be what its author meant. */
function logDoubts({ managedIdentities, log }: VolumeOptions, { spec, credential }: Volume): void {
  const pod = podOf(spec)
  if (credential.kind === 'managed' && managedIdentities === 'any') {
    const identity = describeCredential(credential)
    log.info({ pod, identity }, 'the class signs in as the node; --managed-identities=any lets every class')
  }
  if (spec.objects.length === 0 && spec.selects.length === 0)
    log.warn({ pod }, 'the class lists no objects; drivers refuse a volume without any')
}

/** `namespace/name`, for the log. */
export function podOf({ pod }: MountSpec): string {
  return `${pod.namespace}/${pod.name}`
}

/** Hosts of the vaults of all objects, including optional ones that are missing: a change brings them. */
export function vaultHosts({ spec, cloud }: Volume): string[] {
  // The local Azure may have a vault of the same name.
  if (spec.values.useEmulator) return []
  return [...spec.objects, ...spec.selects].map(({ vaultName }) =>
    new URL(vaultAddress(vaultName ?? spec.values.keyvaultName, cloud.vaultSuffix).origin).host.toLowerCase(),
  )
}
