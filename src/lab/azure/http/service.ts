/** One request on its way through the front door. */
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
  /** Everything it does. */
  readonly operations: readonly OperationRow[]
  fetch(request: Request, exchange: Exchange): Promise<Response>
  /** An error in the manner of this service, for what is decided before or around it. */
  refuse(refusal: Refusal, exchange: Exchange): Response
}

/** What the tables of all services have in common. */
export interface OperationRow {
  /** The name that is counted, for example `vault.secret.get`. */
  readonly operation: string
  readonly method: string
  /** Pattern of its paths, for example `/secrets/:name/:version?`. */
  readonly path: string
}

export interface Refusal {
  status: number
  /** Azure's code, for example `NotImplemented`. */
  code: string
  message: string
  headers?: Record<string, string>
}

/** A JSON answer. One place, so that every service sends the same content type as Azure. */
export function json(status: number, body: unknown, headers?: Record<string, string>): Response {
  return new Response(JSON.stringify(body), {
    status,
    headers: { 'content-type': 'application/json; charset=utf-8', ...headers },
  })
}
