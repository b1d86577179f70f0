import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { buildRootfs, nodeFlags, ociArchive, platformNamed, processNames } from '#packaging/image'
import { findGo, goMissing } from '../support/relay.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const platform = platformNamed('windows/amd64')
const imageCache = join(import.meta.dirname, '../../dist/image')

test('the image for Windows is a lowest layer with hives, below which are Node, the relay and the programs', {
  skip: findGo() === undefined ? goMissing : false,
}, async (t) => {
  const { path: rootfs } = await buildRootfs(imageCache, { platform, env: process.env })
  const directory = temporaryDirectory(t)
  const tar = join(directory, 'image.tar')
  await ociArchive(rootfs, tar, 'keymount:test', { platform })
  const untar = (...args: string[]) => execFileSync('tar', args, { cwd: directory, encoding: 'utf8' })
  untar('-xf', tar)
  const blob = (digest: string) => join(directory, 'blobs', digest.replace(':', '/'))
  const read = (file: string) => JSON.parse(readFileSync(file, 'utf8'))
  const manifest = read(blob(read(join(directory, 'index.json')).manifests[0].digest))
  const config = read(blob(manifest.config.digest))

  await t.test('its configuration names no version of Windows, so that every version takes it', () => {
    const { os, architecture, 'os.version': version } = config
    assert.deepEqual({ os, architecture, version }, { os: 'windows', architecture: 'amd64', version: undefined })
    assert.deepEqual(config.config.Entrypoint, ['relay.exe', 'node.exe', ...nodeFlags, 'start.cjs'])
  })

  await t.test('its layer has everything below Files', () => {
    const names = untar('-tf', blob(manifest.layers[0].digest)).trim().split('\n')
    assert.deepEqual(
      names.filter((name) => !name.startsWith('Files/')),
      [],
    )
    const hives = ['DEFAULT', 'SAM', 'SECURITY', 'SOFTWARE', 'SYSTEM'].map((name) => `Windows/System32/config/${name}`)
    const programs = processNames.map((name) => `${name}.cjs`)
    for (const name of [...hives, ...programs, 'relay.exe', 'node.exe', 'start.cjs', 'worker.cjs', 'LICENSE'])
      assert.ok(names.includes(`Files/${name}`), name)
  })

  await t.test('its programs are for Windows on amd64', () => {
    for (const name of ['node.exe', 'relay.exe']) {
      const bytes = readFileSync(join(rootfs, 'Files', name))
      const header = bytes.readUInt32LE(0x3c)
      assert.equal(bytes.toString('latin1', header, header + 4), 'PE\0\0')
      assert.equal(bytes.readUInt16LE(header + 4), 0x8664, name)
    }
  })

  await t.test('the licences of Node and Go go along', () => {
    const licences = readFileSync(join(rootfs, 'Files/THIRD-PARTY-LICENSES'), 'utf8')
    assert.match(licences, /^node 24\.\d+\.\d+ \(MIT\)\n\n.*Node\.js/m)
    assert.match(licences, /^go 1\.\d+\.\d+ \(BSD-3-Clause\)\n\nCopyright/m)
    const { components } = read(join(rootfs, 'Files/sbom.cdx.json')) as { components: { name: string }[] }
    assert.ok(components.some(({ name }) => name === 'go'))
  })
})
