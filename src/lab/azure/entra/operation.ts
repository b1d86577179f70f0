/** One operation of Entra ID. The table of them is the service. */
export interface EntraOperation {
  /** The name that is counted, for example `entra.token`. */
  operation: string
  method: 'GET' | 'POST'
  /** `:tenant` must name the tenant. */
  path: string
  run(call: EntraCall): Response | Promise<Response>
}

export interface EntraCall {
  /** The path's tenant as written, in lower case: an id, a domain, `common`, `organizations`. */
  tenant: string
  url: URL
  form(): Promise<URLSearchParams>
}
