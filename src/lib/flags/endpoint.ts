/** Where a gRPC server listens. */
export type Endpoint = { kind: 'unix'; path: string } | { kind: 'tcp'; address: string }

/**
 * Reads `unix://path` or `tcp://host:port`, or gives undefined. A path of a Unix socket is absolute: a leading slash is
 * added if it is missing, as upstream's manifests expect (`unix://tmp/csi.sock`), except on Windows. A TCP address
 * without a host means every interface.
 */
export function parseEndpoint(text: string, platform: NodeJS.Platform = process.platform): Endpoint | undefined {
  const match = /^(unix|tcp):\/\/(.+)$/is.exec(text)
  const rest = match?.[2]
  if (rest === undefined) return undefined
  if (match?.[1]?.toLowerCase() === 'tcp') {
    if (!/:\d{1,5}$/.test(rest)) return undefined
    return { kind: 'tcp', address: rest.startsWith(':') ? `0.0.0.0${rest}` : rest }
  }
  return { kind: 'unix', path: platform === 'win32' ? rest : `/${rest.replace(/^\/+/, '')}` }
}
