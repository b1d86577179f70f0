// Builds the container image without Docker: a root file system directory and an archive that container tools load.
// `npm run image` for both. Options after `--`: `--rootfs` leaves the archive out, `--json` prints where things are for a
// script, `--platform NAME` builds for another one (src/packaging/image/platforms.ts), `--analyze` also lists what each bundle is made of.
import { existsSync, readFileSync, statSync } from 'node:fs'
import { join, relative } from 'node:path'
import {
  buildBundles,
  buildRootfs,
  imageReference,
  ociArchive,
  platformNamed,
  platformOfMachine,
  processNames,
} from '#packaging/image'

const root = join(import.meta.dirname, '..')
const dist = join(root, 'dist')
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }
const reference = imageReference(version)

if (process.argv.includes('--analyze')) await analyze()

const asJson = process.argv.includes('--json')
const started = performance.now()
const named = process.argv.indexOf('--platform')
const platform = named < 0 ? platformOfMachine() : platformNamed(process.argv[named + 1] ?? '')
const rootfs = await buildRootfs(join(dist, 'image'), { platform, env: process.env })
const built = performance.now()
if (platform.os === 'linux' && !existsSync(join(rootfs.path, 'usr/sbin/xtables-nft-multi'))) {
  console.warn(
    'This machine has no iptables, so the image has none: proxy-init and pod identity will not work from it.',
  )
}
const archive = process.argv.includes('--rootfs')
  ? undefined
  : await ociArchive(rootfs.path, join(dist, archiveName()), reference, { platform })

if (asJson) console.log(JSON.stringify({ reference, rootfs: rootfs.path, ...(archive && { archive: archive.path }) }))
else report()

function report(): void {
  const state = rootfs.cached ? 'unchanged' : 'built'
  console.log(`root file system  ${relative('.', rootfs.path)}  (${state}, ${ms(built - started)})`)
  const parts = [platform.node, ...processNames.map((name) => join(platform.program, `${name}.cjs`))]
  for (const part of parts) console.log(`  ${part.padEnd(32)}${mib(statSync(join(rootfs.path, part)).size)}`)
  if (archive === undefined) return
  const file = relative('.', archive.path)
  const loadedBy = platform.os === 'linux' ? [`kind load image-archive ${file}`, `docker load -i ${file}`] : []
  console.log(
    [
      `image archive     ${file}  (${mib(archive.bytes)}, ${ms(performance.now() - built)})`,
      `  reference       ${reference}`,
      `  digest          ${archive.digest}`,
      '',
      'Load it with one of:',
      ...loadedBy.map((line) => `  ${line}`),
      `  ctr -n k8s.io image import ${file}`,
    ].join('\n'),
  )
}

async function analyze(): Promise<void> {
  const { analyzeMetafile } = await import('esbuild')
  const { metafile } = await buildBundles({ root, out: join(dist, 'bundles'), node: process.execPath })
  console.log(await analyzeMetafile(metafile))
}

/** The names of other platforms' archives have the platform. */
function archiveName(): string {
  return platform === platformOfMachine() ? 'keymount-node.tar' : `keymount-node-${platform.name.replace('/', '-')}.tar`
}

function mib(bytes: number): string {
  return `${(bytes / 1024 / 1024).toFixed(1)} MiB`
}

function ms(duration: number): string {
  return `${Math.round(duration)} ms`
}
