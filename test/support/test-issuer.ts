import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { createServer } from 'node:https'
import type { TestContext } from 'node:test'
import { exportJWK, type JWTPayload, SignJWT } from 'jose'
import { listen } from '#lib/http'
import { openCertificateAuthority } from '../../src/lab/azure/certificates/certificate-authority.ts'
import { temporaryDirectory } from './temporary-directory.ts'

/** A token issuer as a cluster is one: discovery and keys over TLS with an authority of its own. */
export interface TestIssuer {
  readonly url: string
  /** PEM file for `--issuer-ca`. */
  readonly caFile: string
  /** A service account's token as Kubernetes makes them; `overrides` replaces claims. */
  token(subject: string, overrides?: JWTPayload): Promise<string>
  /** Signs with a new key from now on. `publish: false` keeps its public half to itself. */
  rollKey(options?: { publish?: boolean }): void
  /** What the discovery document names as issuer, when it is not the truth. */
  claimedIssuer: string | undefined
  /** Requests so far. */
  readonly requests: string[]
}

export async function startTestIssuer(t: TestContext): Promise<TestIssuer> {
  const directory = temporaryDirectory(t, 'issuer-')
  const authority = await openCertificateAuthority(directory)
  const requests: string[] = []
  const published: { kid: string; key: KeyObject }[] = []
  let signing = newKey(0)
  published.push(signing)

  const server = createServer(await authority.issue('localhost'), async (request, response) => {
    requests.push(request.url ?? '')
    const documents: Record<string, unknown> = {
      '/.well-known/openid-configuration': {
        issuer: issuer.claimedIssuer ?? issuer.url,
        jwks_uri: `${issuer.url}/openid/v1/jwks`,
      },
      '/openid/v1/jwks': { keys: await Promise.all(published.map(publicJwk)) },
    }
    const document = documents[request.url ?? '']
    response.writeHead(document === undefined ? 404 : 200, { 'content-type': 'application/json' })
    response.end(JSON.stringify(document ?? {}))
  })
  const listening = await listen(server, { host: '127.0.0.1', port: 0 })
  t.after(listening.stop)

  const issuer: TestIssuer = {
    url: `https://localhost:${listening.port}`,
    caFile: authority.caFile,
    claimedIssuer: undefined,
    requests,
    token(subject, overrides = {}) {
      const now = Math.floor(Date.now() / 1000)
      const claims = {
        iss: issuer.url,
        sub: subject,
        aud: ['api://AzureADTokenExchange'],
        iat: now,
        nbf: now,
        exp: now + 3600,
      }
      return new SignJWT({ ...claims, ...overrides })
        .setProtectedHeader({ alg: 'RS256', kid: signing.kid })
        .sign(signing.key)
    },
    rollKey({ publish = true } = {}) {
      signing = newKey(published.length)
      if (publish) published.push(signing)
    },
  }
  return issuer
}

function newKey(number: number): { kid: string; key: KeyObject } {
  return { kid: `key-${number}`, key: generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey }
}

async function publicJwk({ kid, key }: { kid: string; key: KeyObject }) {
  const { kty, n, e } = await exportJWK(key)
  return { kty, n, e, kid, use: 'sig', alg: 'RS256' }
}
