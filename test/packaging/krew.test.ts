/** The plugin of kubectl, as krew installs it: the archive that the manifest names, unpacked, on the PATH of a real kubectl. */
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { parse } from 'yaml'
import { z } from 'zod'
import { writeKrewPlugin } from '../../scripts/release/krew.ts'
import { findProgram } from '../support/find-program.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const root = join(import.meta.dirname, '../..')
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }
const kubectl = findProgram('kubectl', 'KEYMOUNT_KUBECTL')
const url = `https://github.com/keymount/keymount/releases/download/v${version}`

/** What krew requires of a manifest. https://krew.sigs.k8s.io/docs/developer-guide/plugin-manifest/ */
const plugin = z.strictObject({
  apiVersion: z.literal('krew.googlecontainertools.github.com/v1alpha2'),
  kind: z.literal('Plugin'),
  metadata: z.strictObject({ name: z.string().regex(/^[\w-]+$/) }),
  spec: z.strictObject({
    version: z.string().regex(/^v\d+\.\d+\.\d+/),
    homepage: z.url(),
    shortDescription: z.string().max(50),
    description: z.string().min(1),
    caveats: z.string(),
    platforms: z
      .array(
        z.strictObject({
          selector: z.strictObject({
            matchExpressions: z.array(
              z.strictObject({
                key: z.enum(['os', 'arch']),
                operator: z.enum(['In', 'NotIn']),
                values: z.array(z.string()),
              }),
            ),
          }),
          uri: z.url({ protocol: /^https$/ }),
          sha256: z.string().regex(/^[0-9a-f]{64}$/),
          bin: z.string(),
          files: z.array(z.strictObject({ from: z.string(), to: z.string() })),
        }),
      )
      .min(1),
  }),
})

test('the manifest names the archive that was made, with its checksum, and two runs make the same bytes', (t) => {
  const [first, second] = [temporaryDirectory(t, 'krew-'), temporaryDirectory(t, 'krew-')]
  const { archive, manifest } = writeKrewPlugin({ root, out: first, version, url })
  assert.equal(writeKrewPlugin({ root, out: second, version, url }).manifest, manifest)
  const [platform = assert.fail()] = plugin.parse(parse(manifest)).spec.platforms
  assert.equal(platform.uri, `${url}/${archive}`)
  assert.equal(
    platform.sha256,
    createHash('sha256')
      .update(readFileSync(join(first, archive)))
      .digest('hex'),
  )
  const names = execFileSync('tar', ['-tzf', join(first, archive)], { encoding: 'utf8' })
    .trim()
    .split('\n')
  assert.deepEqual(
    names,
    platform.files.map(({ from }) => from),
  )
})

test('kubectl keymount runs the command, and names what is missing where there is none', {
  skip: kubectl === undefined && 'kubectl not found: put it on the PATH or name it in KEYMOUNT_KUBECTL',
}, (t) => {
  const out = temporaryDirectory(t, 'krew-')
  const { archive } = writeKrewPlugin({ root, out, version, url })
  const bin = join(out, 'bin')
  mkdirSync(join(out, 'store'))
  mkdirSync(bin)
  execFileSync('tar', ['-xzf', join(out, archive), '-C', join(out, 'store')])
  symlinkSync(join(out, 'store/kubectl-keymount'), join(bin, 'kubectl-keymount'))
  const run = (path: string) =>
    spawnSync(kubectl ?? '', ['keymount', '--version'], { encoding: 'utf8', env: { ...process.env, PATH: path } })
  const without = run(`${bin}:/usr/bin:/bin`)
  assert.equal(without.status, 127)
  assert.match(without.stderr, /the command keymount is not on the PATH: https:/)
  symlinkSync(join(root, 'bin/keymount.mjs'), join(bin, 'keymount'))
  const found = run(`${bin}:${process.env.PATH ?? ''}`)
  assert.deepEqual([found.status, found.stdout.trim()], [0, version])
})
