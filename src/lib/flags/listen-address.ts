/** Host and port as Go writes them: `:8095`, `127.0.0.1:0`, `[::1]:80`. */
export interface ListenAddress {
  /** Undefined for every interface. */
  host: string | undefined
  port: number
}

/** Undefined for text that is not an address; an empty text or a bare `0` switches the server off and gives null. */
export function parseListenAddress(text: string): ListenAddress | null | undefined {
  if (text === '' || text === '0') return null
  const match = /^(?:\[([0-9a-fA-F:.%]+)\]|([^:[\]]*)):(\d{1,5})$/.exec(text)
  const port = Number(match?.[3])
  if (match === null || port > 65535) return undefined
  const host = match[1] ?? match[2]
  return { host: host === '' ? undefined : host, port }
}

/** A port on every interface; undefined for 0, which is for none. */
export function addressOfPort(port: number): ListenAddress | undefined {
  return port === 0 ? undefined : { host: undefined, port }
}
