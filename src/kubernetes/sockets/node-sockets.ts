import type { Server } from '@grpc/grpc-js'
import type { Running } from '#lib'

/** Unix sockets by their paths. */
export interface NodeSockets {
  /** Serves gRPC on a socket in place of one that a process left behind. Rejects when another process answers there. */
  serve(path: string, server: Server): Promise<Running>
  /** The address of a socket for gRPC clients, whether something listens there or not. */
  address(path: string): string
  /** Stands for the socket that is there now; undefined when none is. A process that starts again has another one. */
  identity(path: string): string | undefined
  /** Names of a directory's sockets; none when there is no directory. */
  list(directory: string): string[]
  /** Resolves when whatever opens the sockets asks this process to end, or has ended. Undefined where signals do that. */
  stopRequested?: Promise<void> | undefined
  /** Ends what {@link address} needs. What was served has been stopped before. */
  stop(): void
}
