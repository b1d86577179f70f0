import type { Refusal } from './refusal.ts'

/** One request while it is being handled. */
export interface Exchange {
  /** The host that the client asked for: lower case, no port. */
  readonly host: string
  readonly url: URL
  /** Ours, for `x-ms-request-id`, error texts and the log. */
  readonly requestId: string
  /** What the request turned out to be, for example `vault.secret.get`; set by the route, counted by the control socket. */
  operation: string
}

/** One of the emulated services: everything behind one kind of host. */
export interface Service {
  /** Every operation that the service implements. */
  readonly operations: readonly OperationRow[]
  /** Throws {@link Refusal}, which the caller renders with `refuse`. */
  fetch(request: Request, exchange: Exchange): Promise<Response>
  /** A refusal in the shape that this service's clients read. */
  refuse(refusal: Refusal, exchange: Exchange): Response
}

/** What the operation tables of all services have in common. */
export interface OperationRow {
  /** The name that is counted, for example `vault.secret.get`. */
  readonly operation: string
  readonly method: string
  /** Path pattern, for example `/secrets/:name/:version?`. */
  readonly path: string
  /** RBAC action that the caller needs, for example `Microsoft.KeyVault/vaults/secrets/getSecret/action`. Default: none. */
  readonly requires?: string | undefined
  /** The same permission in access policies, for example `secrets/get`. */
  readonly requiresPolicy?: string | undefined
}

/** A JSON response with the content type that Azure sends. */
export function json(status: number, body: unknown, headers?: Readonly<Record<string, string>>): Response {
  return new Response(JSON.stringify(body), {
    status,
    headers: { 'content-type': 'application/json; charset=utf-8', ...headers },
  })
}
