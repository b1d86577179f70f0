import type { IdentityParameters } from '#azure/identity'
import type { ObjectSpec } from './object-spec.ts'

/** What the parameters of a class say, parsed once; nothing behind the parser looks at their texts again. */
export interface ClassSpec {
  vaultName: string
  /** As the class writes it; empty for the provider's default. */
  cloudName: string
  /** Environment file for AzureStackCloud, a path in the provider's own file system; empty for the provider's. */
  cloudFile: string
  /** Ask the local Azure that the provider is configured for instead of a cloud. */
  useEmulator: boolean
  identity: ClassIdentity
  objects: readonly ObjectSpec[]
}

/** What a class says about identity; empty strings where it says nothing. */
export type ClassIdentity = Pick<
  IdentityParameters,
  'usePodIdentity' | 'useVMManagedIdentity' | 'useAzureTokenProxy' | 'clientId' | 'tenantId' | 'userAssignedIdentityId'
>
