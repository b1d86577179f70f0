import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { test } from 'node:test'
import { needsHelm } from './charts/helm.ts'

const root = resolve(import.meta.dirname, '../..')
const release = join(root, 'dist/release')

test('npm run release:dry makes all that a release publishes, and its checksums hold', needsHelm, () => {
  execFileSync(process.execPath, [join(root, 'scripts/release.ts')], { cwd: root, stdio: 'pipe' })
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }
  assert.deepEqual(
    readdirSync(release).toSorted(),
    [
      'SHA256SUMS',
      'THIRD-PARTY-LICENSES',
      'fence.yaml',
      `keymount-${version}-linux-${process.arch}.tar`,
      `keymount-${version}.tgz`,
      'keymount.yaml',
      'sbom.cdx.json',
      'secret-sync.yaml',
      'workload-identity.yaml',
    ].toSorted(),
  )
  execFileSync('sha256sum', ['--check', '--strict', 'SHA256SUMS'], { cwd: release, stdio: 'pipe' })
  const { components } = JSON.parse(readFileSync(join(release, 'sbom.cdx.json'), 'utf8')) as {
    components: { name: string }[]
  }
  for (const name of ['node', '@grpc/grpc-js', 'pino', 'node-forge'])
    assert.ok(
      components.some((component) => component.name === name),
      name,
    )
})
