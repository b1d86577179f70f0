/** Where the router sends what, as `ADDRESS:PORT`. */
export interface Routes {
  /** Ports to listen on, at every address. */
  ports: readonly number[]
  /** Services, and the pods behind each. */
  services: Readonly<Record<string, readonly string[]>>
  /** Names of Services, in lower case without a dot at the end, and their addresses. */
  names: Readonly<Record<string, readonly string[]>>
}

export type ToRouter =
  | { kind: 'routes'; routes: Routes }
  | { kind: 'dial'; id: number; host: string; port: number }
  /** Without addresses, there is no such name. */
  | { kind: 'resolved'; id: number; addresses: readonly string[] }

export type FromRouter =
  | { kind: 'ready' }
  /** With a socket: a pod's connection to something that is not a Service. */
  | { kind: 'accepted'; host: string; port: number }
  /** With a socket, unless there is an error. */
  | { kind: 'dialed'; id: number; error?: string | undefined }
  | { kind: 'resolve'; id: number; name: string }
  /** For the log. */
  | { kind: 'problem'; message: string }
