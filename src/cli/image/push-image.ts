import { createReadStream, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { errorMessage } from '#lib'
import { makeDirectories } from '#lib/files'
import {
  buildRootfs,
  type JsonBlob,
  type OciImage,
  ociImage,
  ociIndex,
  type Platform,
  platformNamed,
  platforms,
} from '#packaging/image'
import { type Artifact, type BlobSource, memoryBlob, parseReference, pushArtifact } from '#packaging/registry'
import { CliError, type CliWorld, createTerminal, exitCodes, type Terminal } from '#terminal'
import type { AzureFlags } from '../identity/sign-in-options.ts'
import { withRegistry } from './open-registry.ts'

export interface PushImageCommand {
  /** `REGISTRY/NAME:TAG`. */
  reference: string
  /** Default: all of Linux. */
  platforms: readonly string[] | undefined
  plainHttp: boolean
  json: boolean
  signIn: AzureFlags
  world: CliWorld
}

function known(name: string): Platform {
  try {
    return platformNamed(name)
  } catch (cause) {
    throw new CliError({ what: `--platform ${name} is not possible`, why: errorMessage(cause), code: 'usage', cause })
  }
}

/** `keymount image push`: builds the image, uploads what the registry lacks, and prints the digest. */
export async function pushImage(command: PushImageCommand): Promise<number> {
  const { plainHttp, json, signIn, world } = command
  const at = parseReference(command.reference)
  const ofLinux = Object.values(platforms).filter(({ os }) => os === 'linux')
  const wanted = command.platforms?.map(known) ?? ofLinux
  const terminal = createTerminal({ ...world, titleWidth: 22 })
  const work = mkdtempSync(join(tmpdir(), 'keymount-push-'))
  try {
    const images: OciImage[] = []
    for (const { name } of wanted) images.push(await buildImage(name, work, { terminal, world }))
    const index = ociIndex(images)
    await withRegistry({ at, plainHttp, signIn, world }, (client) =>
      pushArtifact(client, artifactOf(images, index, at.tag), {
        signal: world.signal,
        around: (title, run) =>
          terminal.step(title, run, ({ size, existed }) => `${mib(size)}${existed ? ', was there already' : ''}`),
      }),
    )
    const { digest } = index.blob
    const image = `${at.registry}/${at.repository}`
    if (json) {
      const parts = images.map(({ platform, manifest }) => ({ platform: platform.name, digest: manifest.blob.digest }))
      terminal.line(JSON.stringify({ image, tag: at.tag, digest, platforms: parts }, null, 2))
    } else terminal.line(`${image}:${at.tag}@${digest}`)
    return exitCodes.ok
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

interface Here {
  terminal: Terminal
  world: CliWorld
}

function buildImage(name: string, work: string, { terminal, world }: Here): Promise<OciImage> {
  const platform = platformNamed(name)
  const build = async () => {
    const directory = join(world.cacheDirectory, 'image')
    makeDirectories(directory)
    const rootfs = await buildRootfs(directory, { root: world.packageRoot, platform, env: world.env })
    return ociImage(rootfs.path, join(work, `${platform.os}-${platform.architecture}`), platform)
  }
  return terminal.step(`image ${name}`, build, ({ layer }) => `built, ${mib(layer.blob.size)}`)
}

/** The layers first: with the image of a platform complete, the next one is uploaded. The tag is that of the index. */
function artifactOf(images: readonly OciImage[], index: JsonBlob, tag: string): Artifact {
  return {
    blobs: images.flatMap(({ platform, config, layer }) => [
      { ...blobIn(layer.file), digest: layer.blob.digest, size: layer.blob.size, title: `layer ${platform.name}` },
      memoryBlob(config.bytes, `config ${platform.name}`),
    ]),
    manifests: [
      ...images.map(({ manifest }) => ({ ...manifest.blob, bytes: manifest.bytes })),
      { ...index.blob, bytes: index.bytes, tag },
    ],
  }
}

function blobIn(file: string): Pick<BlobSource, 'open'> {
  return { open: (from, to) => createReadStream(file, { start: from, end: to - 1 }) }
}

function mib(bytes: number): string {
  return bytes < 100_000 ? `${bytes} bytes` : `${(bytes / 1024 / 1024).toFixed(1)} MiB`
}
