import type { GridNamespace, NamespaceTopic, QueueSubscription } from '../events/namespaces.ts'
import type { NamespaceRight } from './authenticate.ts'

/** One operation on the topics of a namespace. The service is the table of them. */
export interface NamespaceOperation {
  /** The name that is counted, for example `eventgrid.receive`. */
  operation: string
  method: 'POST'
  /** `/topics/:topic` or `/topics/:topic/eventsubscriptions/:eventSubscription`, then a colon and the word of the operation. */
  path: string
  right: NamespaceRight
  run(call: NamespaceCall): Promise<unknown>
}

export interface NamespaceCall {
  namespace: GridNamespace
  topic: NamespaceTopic
  /** The subscription in the path. Throws {@link Refusal} 404. */
  subscription(): QueueSubscription
  url: URL
  headers: Headers
  /** Aborted when the client leaves. */
  signal: AbortSignal
  /** The JSON body. Throws {@link Refusal} when it is too large, or no JSON. */
  body(): Promise<unknown>
}
