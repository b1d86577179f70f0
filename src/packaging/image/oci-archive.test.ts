import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { gunzipSync } from 'node:zlib'
import { temporaryDirectory } from '../../../test/support/temporary-directory.ts'
import { ociArchive } from './oci-archive.ts'

const reference = 'ghcr.io/keymount/keymount:1.2.3'

function makeRootfs(t: TestContext): { directory: string; rootfs: string } {
  const directory = temporaryDirectory(t, 'keymount-archive-')
  const rootfs = join(directory, 'rootfs')
  mkdirSync(join(rootfs, 'usr/bin'), { recursive: true })
  writeFileSync(join(rootfs, 'usr/bin/program'), '#!/bin/sh\n', { mode: 0o755 })
  symlinkSync('usr/bin', join(rootfs, 'bin'))
  mkdirSync(join(rootfs, 'tmp'))
  chmodSync(join(rootfs, 'tmp'), 0o1777)
  writeFileSync(join(rootfs, '.entrypoint'), '["/bin/program"]')
  return { directory, rootfs }
}

const contentOf = (archive: string, path: string) => execFileSync('tar', ['-xOf', archive, path])
const jsonOf = (archive: string, path: string) => JSON.parse(contentOf(archive, path).toString('utf8'))
const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')

test('ociArchive() names every blob by its hash and joins index, manifest, configuration and layer', async (t) => {
  const { directory, rootfs } = makeRootfs(t)
  const { path, digest } = await ociArchive(rootfs, join(directory, 'out/image.tar'), reference)
  const blobs = execFileSync('tar', ['-tf', path], { encoding: 'utf8' })
    .split('\n')
    .filter((name) => /^blobs\/sha256\/./.test(name))
  for (const blob of blobs) assert.equal(blob, `blobs/sha256/${sha256(contentOf(path, blob))}`)
  assert.equal(blobs.length, 3)

  const blobOf = (wanted: string) => `blobs/${wanted.replace(':', '/')}`
  const [entry] = jsonOf(path, 'index.json').manifests
  assert.equal(entry.digest, digest)
  assert.equal(entry.annotations['io.containerd.image.name'], reference)
  const manifest = jsonOf(path, blobOf(entry.digest))
  const config = jsonOf(path, blobOf(manifest.config.digest))
  const layer = gunzipSync(contentOf(path, blobOf(manifest.layers[0].digest)))
  assert.deepEqual(config.rootfs.diff_ids, [`sha256:${sha256(layer)}`])
  assert.equal(config.os, 'linux')
  assert.equal(config.config.Entrypoint.at(-1), '/opt/keymount/start.cjs')
})

test('ociArchive() writes beside it what `docker load` reads', async (t) => {
  const { directory, rootfs } = makeRootfs(t)
  const { path } = await ociArchive(rootfs, join(directory, 'image.tar'), reference)
  const [image] = jsonOf(path, 'manifest.json')
  assert.deepEqual(image.RepoTags, [reference])
  assert.equal(jsonOf(path, image.Config).os, 'linux')
  const names = execFileSync('tar', ['-tzf', '-'], { input: contentOf(path, image.Layers[0]), encoding: 'utf8' })
  assert.deepEqual(names.trim().split('\n'), ['bin', 'tmp/', 'usr/', 'usr/bin/', 'usr/bin/program'])
})

test('ociArchive() gives the same digest for the same files, whenever they were written', async (t) => {
  const [first, second] = [makeRootfs(t), makeRootfs(t)]
  const digests = await Promise.all(
    [first, second].map(({ directory, rootfs }) => ociArchive(rootfs, join(directory, 'image.tar'), reference)),
  )
  assert.equal(digests[0]?.digest, digests[1]?.digest)
})

test('ociArchive() adds bundles as referrers of the image, which keeps its digest, and lists only the image', async (t) => {
  const { directory, rootfs } = makeRootfs(t)
  const plain = await ociArchive(rootfs, join(directory, 'plain.tar'), reference)
  const asked: string[] = []
  const bundles = (digest: string) => {
    asked.push(digest)
    return [Buffer.from('{"bundle":1}'), Buffer.from('{"bundle":2}')]
  }
  const { path, digest } = await ociArchive(rootfs, join(directory, 'signed.tar'), reference, { bundles })
  assert.equal(digest, plain.digest)
  assert.deepEqual(asked, [digest])
  const { manifests } = jsonOf(path, 'index.json')
  assert.equal(manifests.length, 1)
  assert.equal(manifests[0].annotations.kind, 'dev.cosignproject.cosign/image')

  const blobs = execFileSync('tar', ['-tf', path], { encoding: 'utf8' }).match(/^blobs\/sha256\/.+$/gm) ?? []
  assert.equal(new Set(blobs).size, blobs.length)
  const referrers = blobs
    .filter((name) => contentOf(path, name).toString('latin1').startsWith('{'))
    .map((name) => jsonOf(path, name))
    .filter(({ subject }) => subject?.digest === digest)
  const layers = referrers.map(({ layers: [layer] }) => layer)
  assert.deepEqual(
    layers.map((layer) => jsonOf(path, `blobs/${layer.digest.replace(':', '/')}`).bundle).toSorted(),
    [1, 2],
  )
  for (const { mediaType } of layers) assert.equal(mediaType, 'application/vnd.dev.sigstore.bundle.v0.3+json')
})
