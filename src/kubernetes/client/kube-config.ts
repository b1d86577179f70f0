import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { dirname, isAbsolute, join } from 'node:path'
import { promisify } from 'node:util'
import { parse } from 'yaml'
import { type Clock, ProblemsError, systemClock } from '#lib'
import { parseJson, stringOf, valueAt } from '#lib/formats'

/** How to reach an API server and who we are there. */
export interface KubeConfig {
  /** Base URL, `https://host:port`. */
  server: string
  /** PEM certificates to trust instead of the system's. */
  ca?: string
  /** PEM client certificate and key. */
  cert?: string
  key?: string
  /** Bearer token, asked for before each request. */
  token?: () => string | Promise<string>
  /** TLS server name when it differs from the host. */
  tlsServerName?: string
  insecureSkipTlsVerify?: boolean
  /** Namespace of the context. Default `default`. */
  namespace: string
}

const serviceAccountDirectory = '/var/run/secrets/kubernetes.io/serviceaccount'

/**
 * Configuration of a pod. The token file is read again every `tokenTtlMs` (kubelet replaces it about hourly), the way
 * client-go does.
 */
export function inClusterConfig(options: {
  host: string
  port: string
  directory?: string
  tokenTtlMs?: number
  clock?: Clock | undefined
}): KubeConfig {
  const { host, port, directory = serviceAccountDirectory, tokenTtlMs = 60_000, clock = systemClock } = options
  let token = ''
  let readAt = Number.NEGATIVE_INFINITY
  return {
    server: `https://${host.includes(':') ? `[${host}]` : host}:${port}`,
    ca: readFileSync(join(directory, 'ca.crt'), 'utf8'),
    namespace: readFileSync(join(directory, 'namespace'), 'utf8').trim(),
    token() {
      if (clock.elapsed() - readAt >= tokenTtlMs) {
        token = readFileSync(join(directory, 'token'), 'utf8').trim()
        readAt = clock.elapsed()
      }
      return token
    },
  }
}

interface ClusterEntry {
  server?: string
  'certificate-authority'?: string
  'certificate-authority-data'?: string
  'insecure-skip-tls-verify'?: boolean
  'tls-server-name'?: string
}

interface ExecEntry {
  apiVersion?: string
  command?: string
  args?: string[] | null
  env?: { name: string; value: string }[] | null
}

interface UserEntry {
  'client-certificate'?: string
  'client-certificate-data'?: string
  'client-key'?: string
  'client-key-data'?: string
  token?: string
  tokenFile?: string
  exec?: ExecEntry
}

/** Reads a kubeconfig file. Throws {@link ProblemsError} that names the missing part. */
export function loadKubeconfig(
  path: string,
  options: { context?: string; environment?: NodeJS.ProcessEnv; clock?: Clock | undefined } = {},
): KubeConfig {
  const file = parse(readFileSync(path, 'utf8')) as Record<string, unknown> | null
  const contextName = options.context ?? String(file?.['current-context'] ?? '')
  const context = find<{ cluster?: string; user?: string; namespace?: string }>(
    file,
    path,
    'contexts',
    'context',
    contextName,
  )
  const cluster = find<ClusterEntry>(file, path, 'clusters', 'cluster', context.cluster ?? '')
  const user = find<UserEntry>(file, path, 'users', 'user', context.user ?? '')
  const pem = (inline: string | undefined, name: string | undefined) => {
    if (inline !== undefined) return Buffer.from(inline, 'base64').toString('utf8')
    return name === undefined ? undefined : readFileSync(isAbsolute(name) ? name : join(dirname(path), name), 'utf8')
  }
  if (cluster.server === undefined) {
    throw new ProblemsError(path, [{ path: `clusters.${context.cluster}.server`, message: 'missing' }])
  }
  const ca = pem(cluster['certificate-authority-data'], cluster['certificate-authority'])
  const cert = pem(user['client-certificate-data'], user['client-certificate'])
  const key = pem(user['client-key-data'], user['client-key'])
  const token = tokenSource(user, options.environment ?? {}, options.clock ?? systemClock)
  return {
    server: cluster.server.replace(/\/$/, ''),
    namespace: context.namespace ?? 'default',
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
    ...(token === undefined ? {} : { token }),
    ...(cluster['tls-server-name'] === undefined ? {} : { tlsServerName: cluster['tls-server-name'] }),
    ...(cluster['insecure-skip-tls-verify'] === true ? { insecureSkipTlsVerify: true } : {}),
  }
}

function find<T>(file: Record<string, unknown> | null, path: string, list: string, key: string, name: string): T {
  const entries = (file?.[list] ?? []) as ({ name: string } & Record<string, unknown>)[]
  const entry = entries.find((candidate) => candidate.name === name)
  if (entry === undefined) {
    const known = entries.map((candidate) => candidate.name).join(', ') || 'none'
    throw new ProblemsError(path, [{ path: list, message: `has no entry named "${name}"; found: ${known}` }])
  }
  return (entry[key] ?? {}) as T
}

function tokenSource(user: UserEntry, environment: NodeJS.ProcessEnv, clock: Clock): KubeConfig['token'] {
  const { token, tokenFile, exec } = user
  if (token !== undefined) return () => token
  if (tokenFile !== undefined) return () => readFileSync(tokenFile, 'utf8').trim()
  return exec === undefined ? undefined : execToken(exec, environment, clock)
}

/** Credential plugins (kubelogin on AKS). https://kubernetes.io/docs/reference/config-api/client-authentication.v1/ */
function execToken(exec: ExecEntry, environment: NodeJS.ProcessEnv, clock: Clock): () => Promise<string> {
  let held: { token: string; expiresAt: number } | undefined
  return async () => {
    if (held !== undefined && held.expiresAt - clock.elapsed() > 60_000) return held.token
    const env = { ...environment, ...Object.fromEntries((exec.env ?? []).map(({ name, value }) => [name, value])) }
    const { stdout } = await promisify(execFile)(exec.command ?? '', exec.args ?? [], { env })
    const answer = parseJson(`the output of the credential plugin ${exec.command}`, stdout)
    const token = stringOf(valueAt(answer, 'status', 'token'))
    if (token === undefined) throw new Error(`the credential plugin ${exec.command} printed no token`)
    const expirationTimestamp = stringOf(valueAt(answer, 'status', 'expirationTimestamp'))
    const lifetime =
      expirationTimestamp === undefined ? Number.POSITIVE_INFINITY : Date.parse(expirationTimestamp) - clock.now()
    held = { token, expiresAt: clock.elapsed() + lifetime }
    return held.token
  }
}
