import type { SecretValue } from '../lib/index.ts'

/** What one volume wants, parsed once; nothing behind the parser looks at strings of a class again. */
export interface MountSpec {
  pod: PodRef
  vaultName: string
  /** As the class writes it; empty for the provider's default. */
  cloudName: string
  /** Environment file for AzureStackCloud, a path in the provider's own file system; empty for the provider's. */
  cloudFile: string
  /** Ask the local Azure that the provider is configured for instead of a cloud. */
  useEmulator: boolean
  identity: IdentitySpec
  objects: readonly ObjectSpec[]
  /** Mode of files that name none. */
  defaultMode: number
}

export interface PodRef {
  namespace: string
  name: string
  /** Empty when the driver does not say. */
  serviceAccount: string
}

/** What the class says about identity; empty strings where it says nothing. */
export interface IdentitySpec {
  usePodIdentity: boolean
  useVMManagedIdentity: boolean
  useAzureTokenProxy: boolean
  clientId: string
  tenantId: string
  userAssignedIdentityId: string
  serviceAccountTokens: string
  secrets: ReadonlyMap<string, SecretValue> | undefined
}

export type ObjectType = 'secret' | 'key' | 'cert'
export type ObjectFormat = 'pem' | 'pfx'
export type ObjectEncoding = 'utf-8' | 'hex' | 'base64'

/** One entry of `objects`. */
export interface ObjectSpec {
  /** Where it stands in the class, for messages: `objects[2]`. */
  path: string
  type: ObjectType
  name: string
  /** Empty for the current version. */
  version: string
  /** Number of versions to give, newest first, as `FILE/0`, `FILE/1`, …; 1 gives one plain file. */
  history: number
  /** Alias, or the name: path of the file in the volume. */
  fileName: string
  format: ObjectFormat
  encoding: ObjectEncoding
  /** Undefined for the volume's default. */
  mode: number | undefined
  /** Another vault than the class's; undefined for that one. */
  vaultName: string | undefined
  /** A missing object is skipped and reported instead of failing the mount. */
  optional: boolean
  /** Parts of a JSON secret that become files of their own, instead of the whole. */
  extracts: readonly ExtractSpec[]
}

export interface ExtractSpec {
  /** Steps into the JSON value: member names and array indexes. */
  steps: readonly (string | number)[]
  /** As the class writes it, for messages. */
  expression: string
  fileName: string
  mode: number | undefined
}

/** `objectType:T, objectName:N, objectVersion:V`, the words by which the field names an object in errors. */
export function objectLabel({ type, name, version }: { type: string; name: string; version: string }): string {
  return `objectType:${type}, objectName:${name}, objectVersion:${version}`
}
