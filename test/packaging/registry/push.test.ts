import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { SecretValue } from '#lib'
import { createHttpClient } from '#lib/http'
import {
  type Artifact,
  type BlobSource,
  createRegistryClient,
  digestOf,
  pushArtifact,
  type RegistryClientOptions,
  RegistryError,
} from '#packaging/registry'
import { needsRegistry, startRegistry } from '../../support/docker-registry.ts'
import { startRegistryFront } from '../../support/registry-front.ts'
import { temporaryDirectory } from '../../support/temporary-directory.ts'

const repository = 'team/keymount'
const manifestType = 'application/vnd.oci.image.manifest.v1+json'
const sha256 = (bytes: Buffer) => `sha256:${createHash('sha256').update(bytes).digest('hex')}`

function blobOf(bytes: Buffer, title: string): BlobSource {
  return {
    digest: sha256(bytes),
    size: bytes.length,
    title,
    // In several pieces, as a file is read.
    async *open(from, to) {
      for (let at = from; at < to; at += 1000) yield bytes.subarray(at, Math.min(at + 1000, to))
    },
  }
}

const config = blobOf(Buffer.from('{}'), 'config')
const layer = blobOf(Buffer.alloc(50_000, 'layer'), 'layer')

function artifactOf(...layers: BlobSource[]): Artifact & { digest: string } {
  const blobs = [config, ...layers]
  const [first, ...rest] = blobs.map(({ digest, size }) => ({ mediaType: 'application/octet-stream', digest, size }))
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: manifestType, config: first, layers: rest }))
  const digest = sha256(bytes)
  return { blobs, manifests: [{ mediaType: manifestType, digest, bytes, tag: 'v1' }], digest }
}

function clientOf(t: TestContext, registry: string, options: Partial<RegistryClientOptions> = {}) {
  const http = createHttpClient({ timeoutMs: 10_000 })
  t.after(() => http.stop())
  const credentials = () => Promise.resolve(undefined)
  return createRegistryClient({ registry, repository, plainHttp: true, send: http.send, credentials, ...options })
}

test('a push uploads what the registry lacks, and the tag then names the manifest', needsRegistry, async (t) => {
  const { host } = await startRegistry(t)
  const client = clientOf(t, host)
  const artifact = artifactOf(layer)
  const first = await pushArtifact(client, artifact)
  assert.deepEqual(
    first.map(({ title, existed }) => [title, existed]),
    [
      ['config', false],
      ['layer', false],
    ],
  )
  assert.equal(await digestOf(client, 'v1'), artifact.digest)
  const again = await pushArtifact(client, artifact)
  assert.ok(again.every(({ existed }) => existed))
})

test('a registry behind a server that takes no large request gets the layer in pieces', needsRegistry, async (t) => {
  const { host } = await startRegistry(t)
  const pieces: string[] = []
  const port = await startRegistryFront(t, {
    registry: host,
    intercept(request, response) {
      if (request.method === 'PATCH') pieces.push(request.headers['content-range'] ?? '')
      if (Number(request.headers['content-length'] ?? 0) <= 20_000) return false
      request.resume()
      response.writeHead(413).end()
      return true
    },
  })
  const client = clientOf(t, `127.0.0.1:${port}`)
  const artifact = artifactOf(layer)
  await pushArtifact(client, artifact, { chunkBytes: 20_000 })
  assert.deepEqual(pieces, ['0-19999', '20000-39999', '40000-49999'])
  assert.equal(await digestOf(client, 'v1'), artifact.digest)
})

test('an upload that a server breaks off or that fails for a moment begins again', needsRegistry, async (t) => {
  const { host } = await startRegistry(t)
  let uploads = 0
  const port = await startRegistryFront(t, {
    registry: host,
    intercept(request, response) {
      if (request.method !== 'PUT' || !request.url?.includes('/blobs/')) return false
      uploads++
      if (uploads === 1) request.socket.destroy()
      else if (uploads === 2) response.writeHead(503).end()
      return uploads <= 2
    },
  })
  const client = clientOf(t, `127.0.0.1:${port}`)
  const artifact = artifactOf(layer)
  await pushArtifact(client, artifact)
  assert.equal(uploads, 4)
  assert.equal(await digestOf(client, 'v1'), artifact.digest)
})

test('a blob that is not what its digest names is refused, and the tag is not set', needsRegistry, async (t) => {
  const { host } = await startRegistry(t)
  const client = clientOf(t, host)
  const wrong = { ...layer, digest: sha256(Buffer.from('something else')) }
  await assert.rejects(
    pushArtifact(client, artifactOf(wrong)),
    (error) => error instanceof RegistryError && /DIGEST_INVALID/.test(error.message),
  )
  await assert.rejects(
    digestOf(client, 'v1'),
    (error) => error instanceof RegistryError && error.code === 'not-found' && error.status === 404,
  )
})

test('a registry with users takes the right password, and names the refusal of others', needsRegistry, async (t) => {
  const users = join(temporaryDirectory(t), 'users')
  // The bcrypt hash of "correct horse".
  writeFileSync(users, 'ada:$2b$04$ppj7zQdr0.m7uSnFhQtRtutvAckw/hWMogzOe3qxZxjO9sX7a5Y3C\n')
  const { host } = await startRegistry(t, { auth: { htpasswd: { realm: 'test', path: users } } })
  const artifact = artifactOf(layer)
  const withPassword = (password: string) =>
    clientOf(t, host, {
      credentials: () => Promise.resolve({ kind: 'password', username: 'ada', password: SecretValue.of(password) }),
    })
  await pushArtifact(withPassword('correct horse'), artifact)
  const refused = (error: unknown) =>
    error instanceof RegistryError &&
    error.code === 'unauthorized' &&
    /sign-in for team\/keymount: .* answered 401/.test(error.message) &&
    !error.message.includes('wrong horse')
  await assert.rejects(pushArtifact(withPassword('wrong horse'), artifact), refused)
  await assert.rejects(pushArtifact(clientOf(t, host), artifact), refused)
})

test('TLS to a registry without it, and the opposite, are named', needsRegistry, async (t) => {
  const { host } = await startRegistry(t)
  await assert.rejects(pushArtifact(clientOf(t, host, { plainHttp: false }), artifactOf(layer)), {
    code: 'speaks-plain-http',
  })
})

test('what proves us to the registry does not go to the host of its storage', needsRegistry, async (t) => {
  const { host } = await startRegistry(t)
  const seen: (string | undefined)[] = []
  const storage = await startRegistryFront(t, {
    registry: host,
    intercept(request) {
      seen.push(request.headers.authorization)
      return false
    },
  })
  const port = await startRegistryFront(t, {
    registry: host,
    intercept(request, response) {
      if (request.headers.authorization === undefined) {
        response.writeHead(401, { 'www-authenticate': 'Basic realm="front"' }).end()
        return true
      }
      if (request.method !== 'POST') return false
      request.resume()
      const begin = fetch(`http://${host}${request.url}`, { method: 'POST' })
      return begin.then(({ headers }) => {
        const { pathname, search } = new URL(headers.get('location') ?? '')
        response.writeHead(202, { location: `http://127.0.0.1:${storage}${pathname}${search}` }).end()
        return true
      })
    },
  })
  const client = clientOf(t, `127.0.0.1:${port}`, {
    credentials: () => Promise.resolve({ kind: 'password', username: 'ada', password: SecretValue.of('x') }),
  })
  await pushArtifact(client, artifactOf(layer))
  assert.deepEqual(seen, [undefined, undefined])
})

test('an interrupt ends the push', needsRegistry, async (t) => {
  const { host } = await startRegistry(t)
  const interrupted = new AbortController()
  const port = await startRegistryFront(t, {
    registry: host,
    intercept(request) {
      if (request.method !== 'PUT') return false
      interrupted.abort()
      return true
    },
  })
  const { signal } = interrupted
  await assert.rejects(pushArtifact(clientOf(t, `127.0.0.1:${port}`, { signal }), artifactOf(layer), { signal }), {
    code: 'aborted',
  })
})
