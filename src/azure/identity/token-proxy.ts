import { createHash } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { connect } from 'node:tls'
import { errorMessage, withoutUserInfo } from '#lib'
import { createHttpClient, type HttpClient, type HttpSend } from '#lib/http'
import { IdentityError } from './identity-error.ts'

export interface TokenProxyOptions {
  /** Where the proxy is. Default: the cluster's API server. */
  url?: string | undefined
  /** TLS server name of the proxy. Default: computed from the API server's certificate. */
  sniName?: string | undefined
  /** CA of API server and proxy; the system's roots when the file is not there. */
  caFile?: string | undefined
  /** Where the API server is, for its certificate. */
  apiServer?: { host: string; port: number } | undefined
}

const inClusterCa = '/var/run/secrets/kubernetes.io/serviceaccount/ca.crt'

export interface TokenProxy {
  send: HttpSend
  stop(): void
}

/**
 * Sends what is meant for Entra through the cluster's token proxy (AKS identity bindings): same path and Host, another
 * address, and a TLS server name that identifies the cluster. Nothing happens before the first request; what fails then is
 * tried again by the next one, and a CA file that changed is read again.
 * https://learn.microsoft.com/azure/aks/identity-bindings-concepts
 */
export function createTokenProxy(options: TokenProxyOptions = {}): TokenProxy {
  const {
    caFile = inClusterCa,
    apiServer = { host: 'kubernetes.default.svc.cluster.local', port: 443 },
    url = `https://${apiServer.host}:${apiServer.port}`,
  } = options
  const base = parseProxyUrl(url)
  let current: { client: HttpClient; caChangedAt: number } | undefined

  async function client(): Promise<HttpClient> {
    const caChangedAt = changedAt(caFile)
    if (current?.caChangedAt === caChangedAt) return current.client
    const ca = caChangedAt === 0 ? undefined : readFileSync(caFile, 'utf8')
    const servername = options.sniName ?? (await computeSni({ apiServer, ca }))
    current?.client.stop()
    current = { client: createHttpClient({ servername, ca }), caChangedAt }
    return current.client
  }

  return {
    async send(request) {
      const http = await client().catch((error: unknown) => {
        throw new IdentityError('token-proxy-unavailable', `proxy transport not available: ${errorMessage(error)}`, {
          retryable: true,
        })
      })
      const path = `${base.pathname.replace(/\/$/, '')}${request.url.pathname}${request.url.search}`
      return http.send({
        ...request,
        url: new URL(path, base),
        headers: { ...request.headers, host: request.url.host },
      })
    },
    stop() {
      current?.client.stop()
      current = undefined
    },
  }
}

/** Throws for a URL that could send tokens somewhere unencrypted, or that has a part which is not used. */
function parseProxyUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (
    url?.protocol !== 'https:' ||
    url.username !== '' ||
    url.password !== '' ||
    url.search !== '' ||
    url.hash !== ''
  ) {
    throw new Error(
      `token proxy: found "${withoutUserInfo(text)}", expected https://HOST[/PATH] without user, query or fragment`,
    )
  }
  return url
}

function changedAt(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0
}

const useSniFlag = 'use --sni-name flag'

async function computeSni({
  apiServer,
  ca,
}: {
  apiServer: { host: string; port: number }
  ca: string | undefined
}): Promise<string> {
  const fail = (reason: string) =>
    new Error(`compute SNI name: extract cluster ID from API server certificate: ${reason}`)
  if (ca === undefined) throw fail(`read CA file: it is not there (${useSniFlag} to skip automatic SNI detection)`)
  if (!ca.includes('-----BEGIN CERTIFICATE-----')) throw fail('no valid certificates found in the CA file')
  const names = await dnsNames(apiServer, ca).catch((error: unknown) => {
    throw fail(`TLS connect to API server: ${errorMessage(error)}`)
  })
  const clusterId = findClusterId(names)
  if (clusterId === undefined) {
    throw fail(`cluster ID SAN not found in API server certificate (${useSniFlag} to provide SNI name explicitly)`)
  }
  if (clusterId === '') throw fail('empty cluster ID in SAN of the API server certificate')
  return sniOfCluster(clusterId)
}

function dnsNames({ host, port }: { host: string; port: number }, ca: string): Promise<string[]> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, servername: host, ca, minVersion: 'TLSv1.2', timeout: 10_000 })
    socket.once('secureConnect', () => {
      const names = socket.getPeerX509Certificate()?.subjectAltName ?? ''
      socket.destroy()
      resolve([...names.matchAll(/DNS:([^,\s]+)/g)].map(([, name]) => name ?? ''))
    })
    socket.once('timeout', () => socket.destroy(new Error('no answer within 10 s')))
    socket.once('error', reject)
  })
}

/** The cluster's id in the first name of the shape `hcp-kubernetes.ID.svc.cluster.local`; undefined for other names. */
export function findClusterId(names: readonly string[]): string | undefined {
  for (const name of names) {
    const match =
      /^hcp-kubernetes\.(.*)\.svc\.cluster\.local$/.exec(name) ?? /^hcp-kubernetes(\.)svc\.cluster\.local$/.exec(name)
    if (match !== null) return match[1] === '.' ? '' : match[1]
  }
  return undefined
}

/** The server name by which the token proxy knows a cluster. */
export function sniOfCluster(clusterId: string): string {
  const digest = createHash('sha256').update(`identity-binding${clusterId}`).digest()
  return `a${base32hex(digest)}.ests.aks`
}

/** RFC 4648 section 7, lower case, without padding. */
function base32hex(bytes: Uint8Array): string {
  const alphabet = '0123456789abcdefghijklmnopqrstuv'
  let bits = 0
  let value = 0
  let text = ''
  for (const byte of bytes) {
    value = (value << 8) | byte
    bits += 8
    while (bits >= 5) {
      bits -= 5
      text += alphabet[(value >>> bits) & 31] ?? ''
    }
    value &= (1 << bits) - 1
  }
  return bits === 0 ? text : text + (alphabet[(value << (5 - bits)) & 31] ?? '')
}
