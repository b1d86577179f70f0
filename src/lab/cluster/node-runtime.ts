import type { Readable, Writable } from 'node:stream'

/** One container of one pod, as the API server names it to the node. */
export interface ContainerTarget {
  namespace: string
  pod: string
  container: string
}

export interface ContainerLogOptions {
  /** Continue until the container ends or `signal` aborts. */
  follow: boolean
  /** Only the last so many lines; all when absent. */
  tailLines?: number | undefined
  /** The log of the container's previous run. */
  previous: boolean
  /** Aborts when the client disconnects. */
  signal: AbortSignal
}

export interface ExecOptions {
  /** Run on a terminal: standard error then arrives on standard output. */
  tty: boolean
  /** Whether the client writes to `stdin`; when false the command reads end of file. */
  stdin: boolean
}

/** A command that runs in a container. */
export interface ExecSession {
  stdin: Writable
  stdout: Readable
  /** Ends at once when the command has a terminal. */
  stderr: Readable
  /** Sets the size of the terminal; does nothing without one. */
  resize(size: { columns: number; rows: number }): void
  /** The exit status (128 + n after signal n). Rejects when the command could not be started, with a message for the user. */
  exit: Promise<number>
  /** Kills the command because its client disconnected. May be called after it has exited. */
  kill(): void
}

/**
 * What the API server asks of the node agent: the two subresources of a pod that are streams of its processes. Both throw
 * an error with a message for the user when the container does not exist or is not running.
 */
export interface NodeRuntime {
  logs(target: ContainerTarget, options: ContainerLogOptions): AsyncIterable<Uint8Array>
  exec(target: ContainerTarget, command: readonly string[], options: ExecOptions): Promise<ExecSession>
}
