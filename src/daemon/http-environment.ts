import { readFileSync } from 'node:fs'
import type { Problem } from '#lib'
import { errorMessage } from '#lib'
import type { HttpClientOptions } from '#lib/http'

/** The way to Azure and whom to trust there, as the environment says it. Problems are added to `problems`. */
export function httpFromEnvironment(
  env: NodeJS.ProcessEnv,
  problems: Problem[],
): Pick<HttpClientOptions, 'proxyEnv' | 'ca' | 'extraCa'> {
  const proxyEnv = pick(env, ['HTTPS_PROXY', 'https_proxy', 'HTTP_PROXY', 'http_proxy', 'NO_PROXY', 'no_proxy'])
  const ca = readPem('SSL_CERT_FILE', env['SSL_CERT_FILE'] ?? '', problems)
  // Node itself adds NODE_EXTRA_CA_CERTS to its own roots; beside SSL_CERT_FILE it has to be named.
  const extraCa =
    ca === undefined ? undefined : readPem('NODE_EXTRA_CA_CERTS', env['NODE_EXTRA_CA_CERTS'] ?? '', problems)
  return { proxyEnv, ...(ca === undefined ? {} : { ca }), ...(extraCa === undefined ? {} : { extraCa }) }
}

/** The PEM text of a file; undefined for no file. `name` is the variable or flag that names it. */
export function readPem(name: string, path: string, problems: Problem[]): string | undefined {
  if (path === '') return undefined
  try {
    const text = readFileSync(path, 'utf8')
    if (text.includes('-----BEGIN CERTIFICATE-----')) return text
    problems.push({ path: name, message: `${path} holds no PEM certificate` })
  } catch (error) {
    problems.push({ path: name, message: `cannot read ${path}: ${errorMessage(error)}` })
  }
  return undefined
}

function pick(env: NodeJS.ProcessEnv, names: readonly string[]): Record<string, string | undefined> {
  return Object.fromEntries(names.map((name) => [name, env[name]]))
}
