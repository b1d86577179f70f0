import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Clock, Log } from '../../lib/index.ts'
import type { NodeRuntime } from '../node-runtime.ts'
import type { Catalog } from './catalog.ts'
import type { Objects } from './objects.ts'
import type { ResourceRequest } from './request-info.ts'
import type { ResourceRow } from './resource-row.ts'
import type { ServiceAccountTokens, User } from './service-account-tokens.ts'
import type { Store } from './store.ts'

/** What every handler works on. */
export interface ApiContext {
  store: Store
  catalog: Catalog
  objects: Objects
  tokens: ServiceAccountTokens
  clock: Clock
  log: Log
  /** The node agent, once it is there. */
  runtime(): NodeRuntime | undefined
  /** Aborted when the server stops: watches and streams end. */
  signal: AbortSignal
}

/** One authorized request about the objects of a kind. */
export interface ApiCall {
  context: ApiContext
  request: IncomingMessage
  response: ServerResponse
  url: URL
  user: User
  info: ResourceRequest
  row: ResourceRow
}
