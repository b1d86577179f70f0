import { retry } from '#lib/async'
import type { HttpBody, HttpResponse } from '#lib/http'
import { HttpFault } from '#lib/http'
import type { RegistryClient } from './registry-client.ts'
import { RegistryError, refusal } from './registry-error.ts'

export interface BlobSource {
  /** `sha256:…`. */
  digest: string
  size: number
  /** For progress: `layer of linux/arm64`. */
  title: string
  /** From byte `from` to before byte `to`. */
  open(from: number, to: number): AsyncIterable<Uint8Array>
}

export interface Manifest {
  mediaType: string
  digest: string
  bytes: Buffer
  /** Default: it is known by its digest alone. */
  tag?: string | undefined
}

/** Something that a registry stores: blobs, and manifests in the order in which they refer to what came before. */
export interface Artifact {
  blobs: readonly BlobSource[]
  manifests: readonly Manifest[]
}

export interface PushedBlob extends Pick<BlobSource, 'digest' | 'size' | 'title'> {
  /** Whether it was in the repository before. */
  existed: boolean
}

export interface PushOptions {
  /** Runs each upload, for example with a line of progress. */
  around?: ((title: string, run: () => Promise<PushedBlob>) => Promise<PushedBlob>) | undefined
  /** Bytes of a piece, for registries behind a server that takes no large request. Default 8 MiB. */
  chunkBytes?: number | undefined
  signal?: AbortSignal | undefined
}

/**
 * Uploads the blobs that the repository lacks, then the manifests. The tag moves last, so that a push that is cut off leaves
 * nothing that can be pulled. Rejects with {@link RegistryError} or `HttpFault`.
 */
export async function pushArtifact(
  client: RegistryClient,
  { blobs, manifests }: Artifact,
  options: PushOptions = {},
): Promise<PushedBlob[]> {
  const { around = (_title, run) => run() } = options
  const pushed: PushedBlob[] = []
  for (const blob of new Map(blobs.map((each) => [each.digest, each])).values()) {
    pushed.push(await around(blob.title, () => pushBlob(client, blob, options)))
  }
  for (const manifest of manifests) await putManifest(client, manifest)
  return pushed
}

async function pushBlob(client: RegistryClient, blob: BlobSource, options: PushOptions): Promise<PushedBlob> {
  const { digest, size, title } = blob
  const existed = await hasBlob(client, digest)
  if (!existed) {
    await retry(() => uploadBlob(client, blob, options), {
      attempts: 4,
      initialMs: 400,
      signal: options.signal,
      shouldRetry: (error) => (error instanceof HttpFault || error instanceof RegistryError) && error.retryable,
    })
  }
  return { digest, size, title, existed }
}

async function hasBlob(client: RegistryClient, digest: string): Promise<boolean> {
  const response = await client.send({ method: 'HEAD', at: `/blobs/${digest}` })
  // A redirect leads to where the blob is stored.
  if (response.status === 200 || response.status === 307) return true
  if (response.status === 404) return false
  throw refusal(`look-up of ${digest}`, client.registry, response)
}

/** In one request, which every registry takes; in pieces where something before the registry refuses one so large. */
async function uploadBlob(client: RegistryClient, blob: BlobSource, options: PushOptions): Promise<void> {
  const whole = await begin(client, blob)
  const answer = await client.send({
    method: 'PUT',
    at: withDigest(whole.location, blob.digest),
    headers: octets,
    body: bodyOf(blob, 0, blob.size),
    timeoutMs: timeFor(blob.size),
    once: true,
  })
  if (answer.status === 201) return
  if (answer.status !== 413) throw refusal(`upload of ${blob.digest}`, client.registry, answer)
  await uploadInPieces(client, blob, options.chunkBytes ?? 8 * 1024 * 1024)
}

const octets = { 'content-type': 'application/octet-stream' }

interface Upload {
  location: URL
  /** Smallest piece that the registry takes. */
  minimum: number
}

async function begin(client: RegistryClient, { digest }: BlobSource): Promise<Upload> {
  const answer = await client.send({ method: 'POST', at: '/blobs/uploads/', body: '' })
  if (answer.status !== 202) throw refusal(`upload of ${digest}`, client.registry, answer)
  return { location: locationOf(client, answer), minimum: Number(answer.headers['oci-chunk-min-length'] ?? 0) || 0 }
}

/** https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pushing-a-blob-in-chunks */
async function uploadInPieces(client: RegistryClient, blob: BlobSource, chunkBytes: number): Promise<void> {
  const { location: first, minimum } = await begin(client, blob)
  const step = Math.max(chunkBytes, minimum)
  let location = first
  for (let from = 0; from < blob.size; from += step) {
    const to = Math.min(from + step, blob.size)
    const answer = await client.send({
      method: 'PATCH',
      at: location,
      headers: { ...octets, 'content-range': `${from}-${to - 1}` },
      body: bodyOf(blob, from, to),
      timeoutMs: timeFor(to - from),
      once: true,
    })
    if (answer.status !== 202) throw refusal(`upload of ${blob.digest}`, client.registry, answer)
    location = locationOf(client, answer)
  }
  const answer = await client.send({ method: 'PUT', at: withDigest(location, blob.digest), body: '', once: true })
  if (answer.status !== 201) throw refusal(`upload of ${blob.digest}`, client.registry, answer)
}

function bodyOf(blob: BlobSource, from: number, to: number): HttpBody {
  return { bytes: to - from, open: () => blob.open(from, to) }
}

/** A minute, and a second for every 64 KiB: slower than any connection over which an image can be pulled. */
function timeFor(bytes: number): number {
  return 60_000 + (bytes / (64 * 1024)) * 1000
}

function withDigest(location: URL, digest: string): URL {
  const url = new URL(location)
  url.searchParams.set('digest', digest)
  return url
}

function locationOf(client: RegistryClient, { headers }: HttpResponse): URL {
  const { location = '' } = headers
  const url = URL.canParse(location, client.base.href) ? new URL(location, client.base) : undefined
  if (location !== '' && url !== undefined && (url.protocol === 'https:' || url.protocol === client.base.protocol)) {
    return url
  }
  throw new RegistryError('refused', `${client.registry} gave no usable address for an upload`)
}

async function putManifest(client: RegistryClient, { mediaType, digest, bytes, tag }: Manifest): Promise<void> {
  const answer = await client.send({
    method: 'PUT',
    at: `/manifests/${tag ?? digest}`,
    headers: { 'content-type': mediaType },
    body: bytes.toString('utf8'),
  })
  if (answer.status !== 201) throw refusal(`manifest ${tag ?? digest}`, client.registry, answer)
  const stored = answer.headers['docker-content-digest']
  if (stored === undefined || stored === digest) return
  throw new RegistryError('refused', `${client.registry} stored manifest ${digest} as ${String(stored).slice(0, 100)}`)
}

/** Digest of what a tag of the repository names now. Rejects with {@link RegistryError}. */
export async function digestOf(client: RegistryClient, tag: string): Promise<string> {
  const answer = await client.send({
    method: 'HEAD',
    at: `/manifests/${tag}`,
    headers: { accept: imageTypes.join(', ') },
  })
  if (answer.status !== 200) throw refusal(`look-up of tag ${tag}`, client.registry, answer)
  const digest = String(answer.headers['docker-content-digest'] ?? '')
  if (/^sha256:[0-9a-f]{64}$/.test(digest)) return digest
  throw new RegistryError('refused', `look-up of tag ${tag}: ${client.registry} gave no digest`)
}

const imageTypes = [
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
  'application/vnd.docker.distribution.manifest.v2+json',
]
