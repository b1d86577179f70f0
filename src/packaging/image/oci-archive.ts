import { createWriteStream, mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { type TarEntry, tarStream } from '#lib/formats'
import {
  type Blob,
  bytesBlob,
  diskFile,
  indexType,
  type JsonBlob,
  json,
  jsonBlob,
  manifestType,
  ociImage,
} from './oci-image.ts'
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
    const { manifest, config, layer } = await ociImage(rootfs, layerFile, platform)
    const referrers = uniqueBlobs(bundles(manifest.blob.digest).flatMap((bundle) => referrer(manifest.blob, bundle)))
    const annotations = {
      // What cosign looks for in a layout to know which of its images is the signed one.
      ...(referrers.length === 0 ? {} : { kind: 'dev.cosignproject.cosign/image' }),
      'io.containerd.image.name': reference,
      'org.opencontainers.image.ref.name': reference.slice(reference.lastIndexOf(':') + 1),
    }
    const index = json({
      schemaVersion: 2,
      mediaType: indexType,
      manifests: [{ ...manifest.blob, annotations }],
    })
    const dockerManifest = json([
      { Config: blobPath(config.blob), RepoTags: [reference], Layers: [blobPath(layer.blob)] },
    ])
    const entries: TarEntry[] = [
      memoryFile('oci-layout', json({ imageLayoutVersion: '1.0.0' })),
      memoryFile('index.json', index),
      memoryFile('manifest.json', dockerManifest),
      { type: 'directory', path: 'blobs', mode: 0o755 },
      { type: 'directory', path: 'blobs/sha256', mode: 0o755 },
      memoryFile(blobPath(config.blob), config.bytes),
      memoryFile(blobPath(manifest.blob), manifest.bytes),
      ...referrers.map(({ blob, bytes }) => memoryFile(blobPath(blob), bytes)),
      diskFile(blobPath(layer.blob), layerFile, 0o644),
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

function memoryFile(path: string, bytes: Buffer): TarEntry {
  return { type: 'file', path, mode: 0o644, size: bytes.length, content: [bytes] }
}

function blobPath({ digest }: Blob): string {
  return `blobs/${digest.replace(':', '/')}`
}
