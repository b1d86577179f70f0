/** What a thread is sent. */
export interface TaskRequest {
  name: string
  input: unknown
}

/** What a thread sends: once when it can take work, then one answer per request. */
export type ThreadMessage = { kind: 'ready' } | { kind: 'done'; output: unknown } | { kind: 'failed'; message: string }
