import { type NodeSockets, unixSockets } from '#kubernetes/sockets'

/** Names of the providers that have a socket in one of these directories, sorted. */
export function providersIn(directories: readonly string[], sockets: NodeSockets = unixSockets): string[] {
  const files = directories.flatMap(sockets.list).filter((file) => file.endsWith('.sock'))
  return [...new Set(files.map((file) => file.slice(0, -'.sock'.length)))].toSorted()
}
