import type { AccessTokenClaims } from '../entra/access-tokens.ts'
import type { Permission } from './authorize.ts'
import type { Vault } from './vaults.ts'

/** One operation of the data plane: where it is, what it needs, what it does. The table of them is the service. */
export interface VaultOperation {
  /** The name that is counted, for example `vault.secret.get`. */
  operation: string
  method: 'GET' | 'PUT' | 'POST' | 'PATCH' | 'DELETE'
  path: string
  permission: Permission
  run(call: VaultCall): VaultAnswer | Promise<VaultAnswer>
}

export interface VaultCall {
  vault: Vault
  caller: AccessTokenClaims
  /** The object that the path names; empty where it names none. */
  name: string
  /** The version that the path names; empty for the latest. */
  version: string
  url: URL
  /** The JSON body. Throws {@link Refusal} when it is none. */
  body(): Promise<unknown>
}

/** A body (with status 200 unless it says another), or a status without a body. */
export type VaultAnswer = { body: unknown; status?: 201 | 202 } | { status: 204 }
