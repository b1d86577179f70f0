import type { AccessTokenClaims } from '../entra/access-tokens.ts'
import type { Permission } from './authorize.ts'
import type { Vault } from './vaults.ts'

/** One operation of the data plane: its request, its permission and its handler. The service is the table of them. */
export interface VaultOperation {
  /** The name that is counted, for example `vault.secret.get`. */
  operation: string
  method: 'GET' | 'PUT' | 'POST' | 'PATCH' | 'DELETE'
  path: string
  permission: Permission
  run(call: VaultCall): VaultAnswer | Promise<VaultAnswer>
}

/** A row of the table of operations. */
export function vaultOperation(
  operation: string,
  method: VaultOperation['method'],
  path: string,
  permission: Permission,
  run: VaultOperation['run'],
): VaultOperation {
  return { operation, method, path, permission, run }
}

export interface VaultCall {
  vault: Vault
  caller: AccessTokenClaims
  /** The object's name in the path; empty when the path has none. */
  name: string
  /** The version in the path; empty for the latest. */
  version: string
  url: URL
  /** The JSON body. Throws {@link Refusal} when it is missing or is not JSON. */
  body(): Promise<unknown>
}

/** A body with a status (default 200), or a status without a body. */
export type VaultAnswer = { body: unknown; status?: 201 | 202 } | { status: 204 }
