import type { Problems } from '#lib'
import { type ProxyEnvironment, readProxyEnvironment } from '#lib/http'

/** The proxy through which this machine reaches a host; undefined when it connects directly. */
export type MachineProxy = (host: string) => URL | undefined

/** Reads the machine's proxy variables. Lower-case ones win, as in curl and Go. */
export function readMachineProxy(env: ProxyEnvironment, problems: Problems): MachineProxy {
  const checked = readProxyEnvironment(env, problems)
  const proxy = checked.https_proxy ?? checked.HTTPS_PROXY
  const exceptions = (checked.no_proxy ?? checked.NO_PROXY ?? '').split(',').map((entry) => entry.trim().toLowerCase())
  return (host) => {
    if (proxy === undefined || exceptions.some((entry) => covers(entry, host))) return undefined
    return new URL(proxy)
  }
}

/** An entry of `NO_PROXY`: `*`, a host, or a domain with or without a leading dot. Ports and address ranges are not supported. */
function covers(entry: string, host: string): boolean {
  if (entry === '*') return true
  const name = entry.replace(/^\*?\./, '')
  return name !== '' && (host === name || host.endsWith(`.${name}`))
}
