import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Clock, Log } from '#lib'
import type { NodeRuntime } from '../../node-runtime.ts'
import type { ServiceAccountTokens, User } from '../access/service-account-tokens.ts'
import type { Admission } from '../admission/admission.ts'
import type { Catalog } from '../kinds/catalog.ts'
import type { ResourceRow } from '../kinds/resource-row.ts'
import type { Objects } from '../objects/objects.ts'
import type { Store } from '../objects/store.ts'
import type { BodyBudget } from './http-exchange.ts'
import type { ResourceRequest } from './request-info.ts'

/** What all handlers share. */
export interface ApiContext {
  bodies: BodyBudget
  store: Store
  catalog: Catalog
  objects: Objects
  tokens: ServiceAccountTokens
  admission: Admission
  clock: Clock
  log: Log
  /** The node agent, once it has started. */
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
