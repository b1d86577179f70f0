import type { FederatedCredentials } from '../federated-credential.ts'

/**
 * What a service account signs in as: an application or a user-assigned managed identity. Each fact is looked up once, when
 * it is first asked for; a lookup that fails rejects with what to do.
 */
export interface Principal {
  /** For people: `application "orders"`. */
  readonly title: string
  /** Makes it unless it is there. */
  ensure(): Promise<{ created: boolean }>
  clientId(): Promise<string>
  /** Object id that roles are given to. */
  principalId(): Promise<string>
  readonly credentials: FederatedCredentials
  /** False when it was gone already. */
  delete(): Promise<boolean>
}
