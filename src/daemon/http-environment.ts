import { readFileSync } from 'node:fs'
import { errorMessage, Problems } from '#lib'
import type { Environment } from '#lib/flags'
import { type HttpClientOptions, readProxyEnvironment } from '#lib/http'

/** The way to Azure, and whom to trust there. */
export type HttpEnvironment = Pick<HttpClientOptions, 'proxyEnv' | 'ca' | 'extraCa'>

/** The way to Azure as the environment describes it. */
export function httpFromEnvironment(env: Environment, problems: Problems): HttpEnvironment {
  const ca = readPem('SSL_CERT_FILE', env.SSL_CERT_FILE ?? '', problems)
  return {
    proxyEnv: readProxyEnvironment(env, problems),
    ca,
    // Node itself adds NODE_EXTRA_CA_CERTS to its own roots; beside SSL_CERT_FILE it has to be named.
    extraCa: ca === undefined ? undefined : readPem('NODE_EXTRA_CA_CERTS', env.NODE_EXTRA_CA_CERTS ?? '', problems),
  }
}

/** {@link httpFromEnvironment} by itself. Throws `ProblemsError` when it names a proxy or certificates that cannot be used. */
export function azureHttp(env: Environment): HttpEnvironment {
  const problems = new Problems()
  const http = httpFromEnvironment(env, problems)
  problems.throwIfAny('environment')
  return http
}

/** The PEM text of a file; undefined for no file. `name` is the variable or flag that names it. */
export function readPem(name: string, path: string, problems: Problems): string | undefined {
  if (path === '') return undefined
  try {
    const text = readFileSync(path, 'utf8')
    if (text.includes('-----BEGIN CERTIFICATE-----')) return text
    problems.add(name, `there is no PEM certificate in ${path}`)
  } catch (error) {
    problems.add(name, `cannot read ${path}: ${errorMessage(error)}`)
  }
  return undefined
}
