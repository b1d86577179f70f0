// Builds the container image without Docker: a root file system directory and an archive that container tools load.
// `npm run image` for both, `npm run image -- --rootfs` for the directory alone; `--analyze` also lists what each bundle is made of.
import { readFileSync, statSync } from 'node:fs'
import { join, relative } from 'node:path'
import { buildBundles, buildRootfs, imageReference, ociArchive, processNames } from '../src/image/index.ts'

const root = join(import.meta.dirname, '..')
const dist = join(root, 'dist')
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }
const reference = imageReference(version)

if (process.argv.includes('--analyze')) await analyze()

const started = performance.now()
const rootfs = await buildRootfs(join(dist, 'image'))
const built = performance.now()
console.log(
  `root file system  ${relative(root, rootfs.path)}  (${rootfs.cached ? 'unchanged' : 'built'}, ${ms(built - started)})`,
)
for (const name of processNames) {
  console.log(`  ${name.padEnd(16)}${mib(statSync(join(rootfs.path, `opt/keymount/${name}.cjs`)).size)}`)
}
console.log(`  ${'node'.padEnd(16)}${mib(statSync(join(rootfs.path, 'usr/local/bin/node')).size)}`)

if (!process.argv.includes('--rootfs')) await archive()

async function archive(): Promise<void> {
  const written = await ociArchive(rootfs.path, join(dist, 'keymount-node.tar'), reference)
  console.log(
    `image archive     ${relative(root, written.path)}  (${mib(written.bytes)}, ${ms(performance.now() - built)})\n` +
      `  reference       ${reference}\n` +
      `  digest          ${written.digest}\n\n` +
      'Load it with one of:\n' +
      `  kind load image-archive ${relative('.', written.path)}\n` +
      `  docker load -i ${relative('.', written.path)}\n` +
      `  ctr -n k8s.io image import ${relative('.', written.path)}`,
  )
}

async function analyze(): Promise<void> {
  const { analyzeMetafile } = await import('esbuild')
  const { metafile } = await buildBundles({ root, out: join(dist, 'bundles'), node: process.execPath })
  console.log(await analyzeMetafile(metafile))
}

function mib(bytes: number): string {
  return `${(bytes / 1024 / 1024).toFixed(1)} MiB`
}

function ms(duration: number): string {
  return `${Math.round(duration)} ms`
}
