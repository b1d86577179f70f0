import { createHash } from 'node:crypto'
import type { Artifact, BlobSource } from './push-artifact.ts'

export interface ChartContent {
  metadata: { name: string; version: string; description?: string | undefined }
  /** The package. */
  bytes: Buffer
}

const manifestType = 'application/vnd.oci.image.manifest.v1+json'

/**
 * A packaged chart as helm pushes it: its metadata as configuration, its package as layer. https://helm.sh/docs/topics/registries/
 * A tag cannot have the `+` of a version; helm writes `_` there.
 */
export function chartArtifact({ metadata, bytes }: ChartContent): Artifact & { tag: string; digest: string } {
  const config = memoryBlob(Buffer.from(JSON.stringify(metadata)), `metadata of ${metadata.name}`)
  const layer = memoryBlob(bytes, `chart ${metadata.name}`)
  const descriptor = ({ digest, size }: BlobSource, mediaType: string) => ({ mediaType, digest, size })
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: manifestType,
      config: descriptor(config, 'application/vnd.cncf.helm.config.v1+json'),
      layers: [descriptor(layer, 'application/vnd.cncf.helm.chart.content.v1.tar+gzip')],
      annotations: {
        'org.opencontainers.image.title': metadata.name,
        'org.opencontainers.image.version': metadata.version,
        ...(metadata.description === undefined ? {} : { 'org.opencontainers.image.description': metadata.description }),
      },
    }),
  )
  const digest = sha256(manifest)
  const tag = metadata.version.replaceAll('+', '_')
  return { blobs: [config, layer], manifests: [{ mediaType: manifestType, digest, bytes: manifest, tag }], tag, digest }
}

/** A blob that is in memory. */
export function memoryBlob(bytes: Buffer, title: string): BlobSource {
  return {
    digest: sha256(bytes),
    size: bytes.length,
    title,
    async *open(from, to) {
      yield bytes.subarray(from, to)
    },
  }
}

function sha256(bytes: Buffer): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`
}
