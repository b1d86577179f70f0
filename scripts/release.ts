// What a release consists of, in dist/release: the image archive of this machine's architecture, the chart's package, the
// manifests, the software bill of materials and the licences of what is in the image, and the checksums of all of them.
// Publishing is not in here: `npm run release:dry` is all that can be done without a registry.
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { copyFileSync, globSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { buildRootfs, imageReference, ociArchive, programDirectory } from '#packaging/image'
import { helm, renderManifests } from './render-manifests.ts'

const root = join(import.meta.dirname, '..')
const release = join(root, 'dist/release')
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }

if (helm === undefined) fail('helm not found: put it on the PATH or name it in KEYMOUNT_HELM')
refuseStaleManifests(await renderManifests())

rmSync(release, { recursive: true, force: true })
mkdirSync(release, { recursive: true })
const { path: rootfs } = await buildRootfs(join(root, 'dist/image'))
const image = await ociArchive(
  rootfs,
  join(release, `keymount-${version}-linux-${process.arch}.tar`),
  imageReference(version),
)
execFileSync(helm, ['package', join(root, 'charts/keymount'), '--destination', release], { stdio: 'pipe' })
for (const name of globSync('**/*.yaml', { cwd: join(root, 'deploy') })) {
  copyFileSync(join(root, 'deploy', name), join(release, basename(name)))
}
for (const name of ['sbom.cdx.json', 'THIRD-PARTY-LICENSES']) {
  copyFileSync(join(rootfs, programDirectory, name), join(release, name))
}

const files = readdirSync(release).toSorted()
const sums = files.map((name) => `${sha256(join(release, name))}  ${name}\n`)
writeFileSync(join(release, 'SHA256SUMS'), sums.join(''))

console.log(`dist/release, image ${image.digest}`)
for (const name of [...files, 'SHA256SUMS']) {
  console.log(`  ${name.padEnd(40)}${(statSync(join(release, name)).size / 1024).toFixed(0).padStart(8)} KiB`)
}
console.log('Check them: (cd dist/release && sha256sum --check SHA256SUMS)')

/** The manifests of a release have to be those of its chart. */
function refuseStaleManifests(rendered: Record<string, string>): void {
  for (const [name, text] of Object.entries(rendered)) {
    if (readFileSync(join(root, 'deploy', name), 'utf8') !== text) fail(`deploy/${name} is stale: npm run manifests`)
  }
}

function sha256(file: string): string {
  return createHash('sha256').update(readFileSync(file)).digest('hex')
}

function fail(why: string): never {
  process.stderr.write(`keymount: ${why}\n`)
  process.exit(1)
}
