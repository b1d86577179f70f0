import { readFileSync } from 'node:fs'
import { createServer } from 'node:https'
import type { TestContext } from 'node:test'
import { listen } from '#lib/http'
import { openCertificateAuthority } from '../../src/lab/azure/certificates/certificate-authority.ts'
import { temporaryDirectory } from './temporary-directory.ts'

/** An HTTPS server on loopback that answers `ok` to every request, with a certificate of an authority of its own. */
export interface TlsServer {
  url: URL
  /** PEM certificate of the authority. */
  ca: string
  /** Connections so far whose handshake has ended. */
  readonly connections: number
  /** Closes every connection. */
  closeConnections(): void
}

export async function startTlsServer(t: TestContext): Promise<TlsServer> {
  const authority = await openCertificateAuthority(temporaryDirectory(t, 'tls-server-'))
  const server = createServer(await authority.issue('localhost'), (_, response) => response.end('ok'))
  let connections = 0
  server.on('secureConnection', () => connections++)
  const { port, stop } = await listen(server, { host: '127.0.0.1', port: 0 })
  t.after(stop)
  return {
    url: new URL(`https://localhost:${port}/`),
    ca: readFileSync(authority.caFile, 'utf8'),
    get connections() {
      return connections
    },
    closeConnections: () => server.closeAllConnections(),
  }
}
