import type { Problems } from '#lib'

/** `HTTPS_PROXY`, `HTTP_PROXY`, `NO_PROXY` and their lower-case forms, as the environment writes them. */
export type ProxyEnvironment = Readonly<Record<string, string | undefined>>

const proxyVariables = ['https_proxy', 'HTTPS_PROXY', 'http_proxy', 'HTTP_PROXY'] as const

/**
 * The variables for Node's agents, checked. A value without a scheme is an HTTP proxy's address, as for Go programs: Node
 * would ignore the variable and connect directly. Problems name a variable and never its value, which may hold a password.
 */
export function readProxyEnvironment(env: ProxyEnvironment, problems: Problems): Record<string, string> {
  const checked: Record<string, string> = {}
  for (const name of ['no_proxy', 'NO_PROXY']) if (env[name]) checked[name] = env[name]
  for (const name of proxyVariables) {
    const value = env[name]
    if (!value) continue
    const url = value.includes('://') ? value : `http://${value}`
    if (/^https?:\/\//i.test(url) && URL.canParse(url)) checked[name] = url
    else problems.add(name, 'is not the URL of an HTTP proxy (http://host:port); its value is not shown')
  }
  return checked
}
