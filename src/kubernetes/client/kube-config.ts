import { readFileSync } from 'node:fs'
import { dirname, isAbsolute, join } from 'node:path'
import { LineCounter, parseDocument } from 'yaml'
import { type Clock, errorMessage, Problems, systemClock } from '#lib'
import { listOf, recordOf, stringOf } from '#lib/formats'
import { credentialPluginToken } from './credential-plugin.ts'

/** How to reach an API server, and as which user. */
export interface KubeConfig {
  /** Base URL, `https://host:port`. */
  server: string
  /** PEM certificates to trust instead of the system's. */
  ca?: string | undefined
  /** PEM client certificate and key. */
  cert?: string | undefined
  key?: string | undefined
  /** Bearer token, asked for before each request. */
  token?: (() => string | Promise<string>) | undefined
  /** TLS server name when it differs from the host. */
  tlsServerName?: string | undefined
  insecureSkipTlsVerify?: boolean | undefined
  /** Namespace of the context. Default `default`. */
  namespace: string
  /** Name of the context’s user in the kubeconfig; for the clusters of az it has resource group and name. */
  userName?: string | undefined
}

const serviceAccountDirectory = '/var/run/secrets/kubernetes.io/serviceaccount'

/**
 * Configuration of a pod. The token file is read again every `tokenTtlMs` (kubelet replaces it about hourly), the way
 * client-go does; the old token stays in use while the file cannot be read.
 */
export function inClusterConfig(options: {
  host: string
  port: string
  directory?: string | undefined
  /** Default 60,000. */
  tokenTtlMs?: number | undefined
  clock?: Clock | undefined
}): KubeConfig {
  const { host, port, directory = serviceAccountDirectory, tokenTtlMs = 60_000, clock = systemClock } = options
  let token: string | undefined
  let readAt = Number.NEGATIVE_INFINITY
  return {
    server: `https://${host.includes(':') ? `[${host}]` : host}:${port}`,
    ca: readFileSync(join(directory, 'ca.crt'), 'utf8'),
    namespace: readFileSync(join(directory, 'namespace'), 'utf8').trim(),
    token() {
      if (token !== undefined && clock.elapsed() - readAt < tokenTtlMs) return token
      try {
        token = readFileSync(join(directory, 'token'), 'utf8').trim()
        readAt = clock.elapsed()
      } catch (error) {
        if (token === undefined) throw error
      }
      return token
    },
  }
}

export interface KubeconfigOptions {
  /** Default: the file's `current-context`. */
  context?: string | undefined
  /** For credential plugins. */
  environment?: Readonly<Record<string, string | undefined>> | undefined
  clock?: Clock | undefined
}

/** One kubeconfig file while it is read. */
interface Kubeconfig {
  path: string
  file: Record<string, unknown>
  problems: Problems
}

/** Reads a kubeconfig file. Throws `ProblemsError` with everything that is missing or wrong; no message quotes the file. */
export function loadKubeconfig(path: string, options: KubeconfigOptions = {}): KubeConfig {
  const problems = new Problems()
  const kubeconfig = { path, file: readYaml(path), problems }
  const name = options.context ?? stringOf(kubeconfig.file['current-context']) ?? ''
  const context = entryOf(kubeconfig, 'contexts', 'context', name)
  const cluster = context && entryOf(kubeconfig, 'clusters', 'cluster', stringOf(context.cluster) ?? '')
  // A context without a user is anonymous.
  const userName = stringOf(context?.user)
  const user = userName === undefined ? {} : entryOf(kubeconfig, 'users', 'user', userName)
  const server = cluster && serverOf(kubeconfig, stringOf(context.cluster) ?? '', cluster.server)
  const config: KubeConfig = {
    server: server ?? '',
    namespace: stringOf(context?.namespace) ?? 'default',
    userName,
    ca: pemOf(kubeconfig, cluster, 'certificate-authority'),
    cert: pemOf(kubeconfig, user, 'client-certificate'),
    key: pemOf(kubeconfig, user, 'client-key'),
    token: user && tokenOf(kubeconfig, user, options),
    tlsServerName: stringOf(cluster?.['tls-server-name']),
    insecureSkipTlsVerify: cluster?.['insecure-skip-tls-verify'] === true ? true : undefined,
  }
  problems.throwIfAny(path)
  return config
}

/** The YAML parser's own messages quote the line, which may hold a token. */
function readYaml(path: string): Record<string, unknown> {
  const problems = new Problems()
  const lineCounter = new LineCounter()
  const document = parseDocument(readFileSync(path, 'utf8'), { lineCounter, prettyErrors: false })
  for (const { code, pos } of document.errors) {
    const { line, col } = lineCounter.linePos(pos[0])
    problems.add('', `not valid YAML at line ${line}, column ${col} (${code})`)
  }
  problems.throwIfAny(path)
  const file = recordOf(document.toJS())
  if (file !== undefined) return file
  problems.add('', 'not a kubeconfig: expected a YAML mapping')
  problems.throwIfAny(path)
  return {}
}

/** The body of the entry of a list, `clusters[].cluster` for example, by the entry's name. */
function entryOf(
  { file, problems }: Kubeconfig,
  list: string,
  key: string,
  name: string,
): Record<string, unknown> | undefined {
  const entries = (listOf(file[list]) ?? []).map((entry) => recordOf(entry) ?? {})
  const entry = entries.find((candidate) => candidate.name === name)
  if (entry !== undefined) return recordOf(entry[key]) ?? {}
  const found = entries.flatMap((candidate) => stringOf(candidate.name) ?? []).join(', ') || 'none'
  problems.add(list, `there is no entry named "${name}"; found: ${found}`)
  return undefined
}

function serverOf({ problems }: Kubeconfig, cluster: string, value: unknown): string | undefined {
  const path = `clusters.${cluster}.server`
  const server = stringOf(value)?.replace(/\/$/, '')
  if (server === undefined) problems.add(path, 'missing')
  else if (/^https?:\/\//.test(server) && URL.canParse(server)) return server
  // The URL may hold a password.
  else problems.add(path, 'is not an http or https URL')
  return undefined
}

function pemOf(kubeconfig: Kubeconfig, entry: Record<string, unknown> | undefined, field: string): string | undefined {
  const inline = stringOf(entry?.[`${field}-data`])
  if (inline !== undefined) return Buffer.from(inline, 'base64').toString('utf8')
  return readReferenced(kubeconfig, field, stringOf(entry?.[field]))
}

/** The text of a file that the kubeconfig names, relative to its own directory. */
function readReferenced({ path, problems }: Kubeconfig, field: string, name: string | undefined): string | undefined {
  if (name === undefined) return undefined
  const file = isAbsolute(name) ? name : join(dirname(path), name)
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    problems.add(field, `cannot read ${file}: ${errorMessage(error)}`)
    return undefined
  }
}

function tokenOf(
  kubeconfig: Kubeconfig,
  user: Record<string, unknown>,
  { environment = {}, clock = systemClock }: KubeconfigOptions,
): KubeConfig['token'] {
  const token = stringOf(user.token)
  if (token !== undefined) return () => token
  const tokenFile = stringOf(user.tokenFile)
  if (tokenFile !== undefined) {
    const file = isAbsolute(tokenFile) ? tokenFile : join(dirname(kubeconfig.path), tokenFile)
    return () => readFileSync(file, 'utf8').trim()
  }
  const plugin = recordOf(user.exec)
  return plugin && credentialPluginToken(plugin, kubeconfig.problems, { environment, clock })
}
