import { createHash, type Hash } from 'node:crypto'
import {
  createReadStream,
  createWriteStream,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readlinkSync,
  rmSync,
  statSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { Readable, Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'
import { type TarEntry, tarStream } from '#lib/formats'
import { entrypoint, environment } from './image-config.ts'
import { type Platform, platformOfMachine } from './platforms.ts'

export interface Archive {
  path: string
  bytes: number
  /** Digest of the image's manifest, `sha256:…`. The same content gives the same digest. */
  digest: string
}

export interface ArchiveOptions {
  /**
   * Sigstore bundles that vouch for the image, given the digest of its manifest. They go into the archive as referrers of the
   * image, where `cosign verify --local-image` finds them. The digest of the image does not depend on them.
   */
  bundles?: ((digest: string) => readonly Uint8Array[]) | undefined
  /** Default: that of this machine. */
  platform?: Platform | undefined
}

interface Blob {
  mediaType: string
  digest: string
  size: number
}

interface JsonBlob {
  blob: Blob
  bytes: Buffer
}

const manifestType = 'application/vnd.oci.image.manifest.v1+json'
/** https://github.com/sigstore/cosign/blob/main/specs/BUNDLE_SPEC.md */
const bundleType = 'application/vnd.dev.sigstore.bundle.v0.3+json'

/**
 * Writes the root file system as an image archive with one layer: an OCI layout, and beside it the `manifest.json` that
 * Docker and kind read; `ctr image import`, `docker load` and `kind load image-archive` all take it.
 * https://github.com/opencontainers/image-spec/blob/main/image-layout.md
 */
export async function ociArchive(
  rootfs: string,
  tarPath: string,
  reference: string,
  { bundles = () => [], platform = platformOfMachine() }: ArchiveOptions = {},
): Promise<Archive> {
  mkdirSync(dirname(tarPath), { recursive: true })
  const work = mkdtempSync(join(dirname(tarPath), 'archive-'))
  try {
    const layerFile = join(work, 'layer')
    const { layer, diffId } = await writeLayer(rootfs, layerFile)
    const config = jsonBlob('application/vnd.oci.image.config.v1+json', imageConfig(diffId, platform))
    const manifest = jsonBlob(manifestType, {
      schemaVersion: 2,
      mediaType: manifestType,
      config: config.blob,
      layers: [layer],
    })
    const referrers = uniqueBlobs(bundles(manifest.blob.digest).flatMap((bundle) => referrer(manifest.blob, bundle)))
    const annotations = {
      // What cosign looks for in a layout to know which of its images is the signed one.
      ...(referrers.length === 0 ? {} : { kind: 'dev.cosignproject.cosign/image' }),
      'io.containerd.image.name': reference,
      'org.opencontainers.image.ref.name': reference.slice(reference.lastIndexOf(':') + 1),
    }
    const index = json({
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.index.v1+json',
      manifests: [{ ...manifest.blob, annotations }],
    })
    const dockerManifest = json([{ Config: blobPath(config.blob), RepoTags: [reference], Layers: [blobPath(layer)] }])
    const entries: TarEntry[] = [
      memoryFile('oci-layout', json({ imageLayoutVersion: '1.0.0' })),
      memoryFile('index.json', index),
      memoryFile('manifest.json', dockerManifest),
      { type: 'directory', path: 'blobs', mode: 0o755 },
      { type: 'directory', path: 'blobs/sha256', mode: 0o755 },
      memoryFile(blobPath(config.blob), config.bytes),
      memoryFile(blobPath(manifest.blob), manifest.bytes),
      ...referrers.map(({ blob, bytes }) => memoryFile(blobPath(blob), bytes)),
      diskFile(blobPath(layer), layerFile, 0o644),
    ]
    await pipeline(Readable.from(tarStream(entries)), createWriteStream(tarPath))
    return { path: tarPath, bytes: statSync(tarPath).size, digest: manifest.blob.digest }
  } finally {
    rmSync(work, { recursive: true })
  }
}

/**
 * The blobs by which an image refers to a bundle: an artifact manifest whose subject is the image. The index does not list it,
 * so container runtimes load only the image.
 * https://github.com/opencontainers/image-spec/blob/main/manifest.md#guidelines-for-artifact-usage
 */
function referrer(subject: Blob, bundle: Uint8Array): JsonBlob[] {
  const layer = bytesBlob(bundleType, Buffer.from(bundle))
  const config = bytesBlob('application/vnd.oci.empty.v1+json', Buffer.from('{}'))
  const manifest = jsonBlob(manifestType, {
    schemaVersion: 2,
    mediaType: manifestType,
    artifactType: bundleType,
    config: config.blob,
    layers: [layer.blob],
    subject,
  })
  return [config, layer, manifest]
}

/** Referrers share their empty configuration. */
function uniqueBlobs(blobs: readonly JsonBlob[]): JsonBlob[] {
  return [...new Map(blobs.map((each) => [each.blob.digest, each])).values()]
}

/** https://github.com/opencontainers/image-spec/blob/main/config.md */
function imageConfig(diffId: string, { architecture, os }: Platform) {
  const epoch = '1970-01-01T00:00:00Z'
  return {
    architecture,
    os,
    created: epoch,
    config: {
      Env: Object.entries(environment).map(([name, value]) => `${name}=${value}`),
      Entrypoint: entrypoint,
      WorkingDir: '/',
    },
    rootfs: { type: 'layers', diff_ids: [diffId] },
    history: [{ created: epoch, comment: 'keymount' }],
  }
}

async function writeLayer(rootfs: string, file: string): Promise<{ layer: Blob; diffId: string }> {
  const plain = createHash('sha256')
  const packed = createHash('sha256')
  await pipeline(
    Readable.from(tarStream(walk(rootfs, ''))),
    hashing(plain),
    createGzip(),
    hashing(packed),
    createWriteStream(file),
  )
  const mediaType = 'application/vnd.oci.image.layer.v1.tar+gzip'
  const layer = { mediaType, digest: `sha256:${packed.digest('hex')}`, size: statSync(file).size }
  return { layer, diffId: `sha256:${plain.digest('hex')}` }
}

/** What is in the directory, in the order of names. The image's command is configuration, not a file. */
function* walk(rootfs: string, below: string): Generator<TarEntry> {
  for (const name of readdirSync(join(rootfs, below)).toSorted()) {
    const path = join(below, name)
    const file = join(rootfs, path)
    const stat = lstatSync(file)
    if (stat.isSymbolicLink()) yield { type: 'link', path, target: readlinkSync(file) }
    else if (stat.isDirectory()) {
      yield { type: 'directory', path, mode: stat.mode & 0o7777 }
      yield* walk(rootfs, path)
    } else if (path !== '.entrypoint') yield diskFile(path, file, stat.mode & 0o7777)
  }
}

function diskFile(path: string, file: string, mode: number): TarEntry {
  return { type: 'file', path, mode, size: statSync(file).size, content: createReadStream(file) }
}

function memoryFile(path: string, bytes: Buffer): TarEntry {
  return { type: 'file', path, mode: 0o644, size: bytes.length, content: [bytes] }
}

function json(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value))
}

function jsonBlob(mediaType: string, value: unknown): JsonBlob {
  return bytesBlob(mediaType, json(value))
}

function bytesBlob(mediaType: string, bytes: Buffer): JsonBlob {
  return {
    bytes,
    blob: { mediaType, digest: `sha256:${createHash('sha256').update(bytes).digest('hex')}`, size: bytes.length },
  }
}

function blobPath({ digest }: Blob): string {
  return `blobs/${digest.replace(':', '/')}`
}

/** Passes bytes through and hashes them. */
function hashing(hash: Hash): Transform {
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk)
      done(null, chunk)
    },
  })
}
