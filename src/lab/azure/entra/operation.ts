/** One operation of Entra ID. The service is the table of them. */
export interface EntraOperation {
  /** The name that is counted, for example `entra.token`. */
  operation: string
  method: 'GET' | 'POST'
  /** `:tenant` must name the tenant. */
  path: string
  run(call: EntraCall): Response | Promise<Response>
}

export interface EntraCall {
  /** The tenant in the path, in lower case: an id, a domain, `common` or `organizations`. */
  tenant: string
  url: URL
  form(): Promise<URLSearchParams>
}
