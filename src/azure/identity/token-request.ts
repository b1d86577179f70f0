import type { Clock } from '#lib'
import type { HttpSend } from '#lib/http'
import type { Cloud } from './cloud.ts'

/** What a token is wanted for. */
export interface TokenRequest {
  cloud: Cloud
  /** For whom the token is, without `/.default`, for example `https://vault.azure.net`. */
  resource: string
  signal?: AbortSignal | undefined
}

/** The same, put to a service on the node: IMDS or NMI. */
export interface NodeTokenRequest extends TokenRequest {
  send: HttpSend
  /** Origin of the service. */
  endpoint: string
  clock: Clock
}
