import type { StorageAccount } from './accounts.ts'

/** One operation of the queue service: its request, its permission and its handler. The service is the table of them. */
export interface QueueOperation {
  /** The name that is counted, for example `queue.message.put`. */
  operation: string
  method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'DELETE'
  /** For example `/:queue/messages/:message`. */
  path: string
  /** The query parameter that makes it this operation, for example `comp=metadata`. */
  query?: QueryChoice | undefined
  permission: QueuePermission
  run(call: QueueCall): QueueAnswer | Promise<QueueAnswer>
}

/** The query parameters that choose the operation. */
export const queryChoices = ['comp=list', 'comp=metadata', 'peekonly=true'] as const
export type QueryChoice = (typeof queryChoices)[number]

/**
 * RBAC actions below `Microsoft.Storage/storageAccounts/queueServices/`. A bearer token needs all actions of one of the
 * lists. https://learn.microsoft.com/rest/api/storageservices/authorize-with-azure-active-directory
 */
export type QueuePermission = readonly (readonly string[])[]

/** A row of the table of operations. */
export function queueOperation(
  operation: string,
  request: `${QueueOperation['method']} ${string}`,
  permission: QueuePermission,
  run: QueueOperation['run'],
): QueueOperation {
  const [method, target = ''] = request.split(' ') as [QueueOperation['method'], string]
  const [path = '', query] = target.split('?') as [string, QueryChoice | undefined]
  return { operation, method, path, query, permission, run }
}

export interface QueueCall {
  account: StorageAccount
  /** The queue's name in the path; empty when the path has none. */
  queueName: string
  /** The message's id in the path; empty when the path has none. */
  messageId: string
  url: URL
  headers: Headers
  /** Milliseconds since the epoch. */
  now: number
  /** The body. Throws {@link Refusal} when it is too large. */
  body(): Promise<string>
}

export interface QueueAnswer {
  status: 200 | 201 | 204
  headers?: Record<string, string> | undefined
  /** The elements of the XML body. */
  xml?: string | undefined
}
