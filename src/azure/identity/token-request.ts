import type { Clock } from '#lib'
import type { HttpSend } from '#lib/http'
import type { TaskRunner } from '#lib/worker'
import type { Cloud } from './cloud.ts'

/** What a token is wanted for. */
export interface TokenRequest {
  cloud: Cloud
  /** For whom the token is, without `/.default`, for example `https://vault.azure.net`. */
  resource: string
  /** Namespace that the request is for: owners take turns where keys and certificates are parsed. Default: one owner for all. */
  owner?: string | undefined
  signal?: AbortSignal | undefined
}

/** How the ways to sign in reach the services that give tokens. */
export interface TokenTransport {
  /** Reaches Entra; retries by itself. */
  send: HttpSend
  /** Reaches the services of the node (IMDS, NMI), never through a proxy. */
  sendOnNode: HttpSend
  /** Reaches Entra through the cluster's token proxy; undefined for none. */
  sendThroughTokenProxy: HttpSend | undefined
  /** Origin of the instance metadata service. */
  imdsEndpoint: string
  /** Origin of NMI. */
  nmiEndpoint: string
  clock: Clock
  /** Where keys and certificates are parsed. */
  tasks: TaskRunner
}
