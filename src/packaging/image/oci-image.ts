import { createHash, type Hash } from 'node:crypto'
import { createReadStream, createWriteStream, lstatSync, readdirSync, readlinkSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { Readable, Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'
import { type TarEntry, tarStream } from '#lib/formats'
import type { Platform } from './platforms.ts'

/** How a manifest or an index describes a blob. https://github.com/opencontainers/image-spec/blob/main/descriptor.md */
export interface Blob {
  mediaType: string
  digest: string
  size: number
}

export interface JsonBlob {
  blob: Blob
  bytes: Buffer
}

/** The image of one platform: its two small blobs, and its one layer in a file. */
export interface OciImage {
  platform: Platform
  manifest: JsonBlob
  config: JsonBlob
  layer: { blob: Blob; file: string }
}

export const manifestType = 'application/vnd.oci.image.manifest.v1+json'
export const indexType = 'application/vnd.oci.image.index.v1+json'

/** Writes a root file system as a layer to `layerFile`. The same content gives the same digests. */
export async function ociImage(rootfs: string, layerFile: string, platform: Platform): Promise<OciImage> {
  const { layer, diffId } = await writeLayer(rootfs, layerFile)
  const config = jsonBlob('application/vnd.oci.image.config.v1+json', imageConfig(diffId, platform))
  const manifest = jsonBlob(manifestType, {
    schemaVersion: 2,
    mediaType: manifestType,
    config: config.blob,
    layers: [layer],
  })
  return { platform, manifest, config, layer: { blob: layer, file: layerFile } }
}

/** One name for the images of several platforms. https://github.com/opencontainers/image-spec/blob/main/image-index.md */
export function ociIndex(images: readonly OciImage[]): JsonBlob {
  return jsonBlob(indexType, {
    schemaVersion: 2,
    mediaType: indexType,
    manifests: images.map(({ manifest, platform: { os, architecture } }) => ({
      ...manifest.blob,
      platform: { os, architecture },
    })),
  })
}

/** https://github.com/opencontainers/image-spec/blob/main/config.md */
function imageConfig(diffId: string, { architecture, os, command }: Platform) {
  const epoch = '1970-01-01T00:00:00Z'
  return {
    architecture,
    os,
    created: epoch,
    config: {
      Env: Object.entries(command.environment).map(([name, value]) => `${name}=${value}`),
      Entrypoint: command.entrypoint,
      WorkingDir: command.workingDirectory,
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

export function diskFile(path: string, file: string, mode: number): TarEntry {
  return { type: 'file', path, mode, size: statSync(file).size, content: createReadStream(file) }
}

export function json(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value))
}

export function jsonBlob(mediaType: string, value: unknown): JsonBlob {
  return bytesBlob(mediaType, json(value))
}

export function bytesBlob(mediaType: string, bytes: Buffer): JsonBlob {
  return {
    bytes,
    blob: { mediaType, digest: `sha256:${createHash('sha256').update(bytes).digest('hex')}`, size: bytes.length },
  }
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
