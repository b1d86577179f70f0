// Makes all that a release publishes, in dist/release: the image, the charts, the manifests, the sources, the bill of
// materials and the licences of what is in the image, notes, checksums, and the provenance of all of them. Signs them with a
// key that is made for this run, and verifies what it signed. Publishing is not in here: `npm run release:dry` is all that can
// be done without a registry. After `--`, `--unsigned` leaves signing to the caller (.github/workflows/release.yml), and
// `--out DIRECTORY` writes elsewhere; what is in that directory is removed.
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { copyFileSync, globSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { basename, join, relative, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { packageCharts } from '#packaging/charts'
import { buildRootfs, imageReference, ociArchive, programDirectory } from '#packaging/image'
import { writeKrewPlugin } from './release/krew.ts'
import { differencesFromPins } from './release/machine.ts'
import { releaseNotes } from './release/notes.ts'
import { provenance, repository, type Source, type Subject, sourceOf } from './release/provenance.ts'
import {
  createSigner,
  type Signer,
  type Statement,
  signedImage,
  verifyBlob,
  verifyStatement,
} from './release/signing.ts'
import { helm, renderManifests } from './render-manifests.ts'

const root = join(import.meta.dirname, '..')
const { values: flags } = parseArgs({
  options: { unsigned: { type: 'boolean' }, out: { type: 'string', default: join(root, 'dist/release') } },
})
const release = resolve(flags.out)
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }
const reference = imageReference(version)
const repositoryOfImage = reference.slice(0, reference.lastIndexOf(':'))
const name = `keymount-${version}`
const platform = `linux-${process.arch}`
const files = {
  image: `${name}-${platform}.tar`,
  sbom: `${name}-${platform}.cdx.json`,
  licences: `${name}-${platform}.licenses.txt`,
  sources: `${name}-source.tar.gz`,
  krew: 'krew.yaml',
  notes: 'RELEASE-NOTES.md',
  provenance: 'provenance.sigstore.json',
  sums: 'SHA256SUMS',
  sumsBundle: 'SHA256SUMS.sigstore.json',
  key: 'cosign.pub',
}

const startedOn = new Date()
const source = checkout()
await refuseStaleManifests()
const signer = flags.unsigned ? undefined : createSigner()
rmSync(release, { recursive: true, force: true })
mkdirSync(release, { recursive: true })
const image = await writeFiles(signer)
if (signer !== undefined) writeProvenance(signer, image.digest)
writeSums(signer)
if (signer !== undefined) verifyRelease(image)
report(source, image.digest)

function checkout(): Source {
  try {
    return sourceOf(root)
  } catch (error) {
    const { stderr } = error as { stderr?: string }
    fail(`a release is made from a git checkout: ${stderr?.trim() || (error as Error).message}`)
  }
}

/** The manifests of a release have to be those of its chart. */
async function refuseStaleManifests(): Promise<void> {
  if (helm === undefined) {
    process.stderr.write('keymount: helm not found, so deploy/ is not compared with the chart\n')
    return
  }
  for (const [path, text] of Object.entries(await renderManifests())) {
    if (readFileSync(join(root, 'deploy', path), 'utf8') !== text) fail(`deploy/${path} is stale: npm run manifests`)
  }
}

interface SignedImage {
  digest: string
  /** The signatures that its archive has. */
  bundles: readonly Buffer[]
}

/** Writes everything but provenance and checksums. */
async function writeFiles(by: Signer | undefined): Promise<SignedImage> {
  const changelog = readFileSync(join(root, 'CHANGELOG.md'), 'utf8')
  writeFileSync(join(release, files.notes), releaseNotes(changelog, version, `${repository}/blob/v${version}`))
  execFileSync(
    'git',
    ['archive', '--format=tar.gz', `--prefix=${name}/`, '--output', join(release, files.sources), 'HEAD'],
    { cwd: root, stdio: 'pipe' },
  )
  for (const { fileName, bytes } of await packageCharts({ directory: join(root, 'charts') })) {
    writeFileSync(join(release, fileName), bytes)
  }
  for (const path of globSync('**/*.yaml', { cwd: join(root, 'deploy') })) {
    copyFileSync(join(root, 'deploy', path), join(release, basename(path)))
  }
  const url = `${repository}/releases/download/v${version}`
  writeFileSync(join(release, files.krew), writeKrewPlugin({ root, out: release, version, url }).manifest)
  const { path: rootfs } = await buildRootfs(join(root, 'dist/image'))
  copyFileSync(join(rootfs, programDirectory, 'sbom.cdx.json'), join(release, files.sbom))
  copyFileSync(join(rootfs, programDirectory, 'THIRD-PARTY-LICENSES'), join(release, files.licences))
  if (by === undefined) refuseOtherPackages()
  const bundles: Buffer[] = []
  const { digest } = await ociArchive(rootfs, join(release, files.image), reference, {
    bundles: (signed) => {
      if (by !== undefined) bundles.push(by.signStatement(signedImage(reference, signed)))
      return bundles
    },
  })
  return { digest, bundles }
}

/** What is published has to come from the pinned packages; a dry run reports others. */
function refuseOtherPackages(): void {
  const differences = otherPackages()
  if (differences.length > 0)
    fail(`the packages of this machine are not those of the Dockerfile: ${differences.join('; ')}`)
}

function otherPackages(): string[] {
  return differencesFromPins(
    readFileSync(join(root, 'Dockerfile'), 'utf8'),
    readFileSync(join(release, files.sbom), 'utf8'),
  )
}

function writeProvenance(by: Signer, digest: string): void {
  const image = { name: repositoryOfImage, sha256: digest.replace('sha256:', '') }
  const subjects = [image, ...checksums()]
  const sbom = readFileSync(join(release, files.sbom), 'utf8')
  const statement = provenance({ root, version, source, subjects, sbom, startedOn, finishedOn: new Date() })
  writeFileSync(join(release, files.provenance), by.signStatement(statement))
}

function writeSums(by: Signer | undefined): void {
  if (by !== undefined) writeFileSync(join(release, files.key), by.publicKey)
  const sums = checksums().map(({ name: file, sha256 }) => `${sha256}  ${file}\n`)
  writeFileSync(join(release, files.sums), sums.join(''))
  if (by !== undefined) writeFileSync(join(release, files.sumsBundle), by.signBlob(Buffer.from(sums.join(''))))
}

/** Reads everything back from disk, as someone who downloaded it. */
function verifyRelease({ digest, bundles }: SignedImage): void {
  const read = (file: string) => readFileSync(join(release, file))
  const key = read(files.key).toString()
  verifyBlob(key, read(files.sumsBundle), read(files.sums))
  const proven = subjectsOf(verifyStatement(key, read(files.provenance)))
  for (const line of read(files.sums).toString().trim().split('\n')) {
    const [sum = '', file = ''] = line.split('  ')
    if (sha256(file) !== sum) fail(`${file} does not have the checksum that is in ${files.sums}`)
    if (file !== files.key && file !== files.provenance && proven.get(file) !== sum) fail(`${file} has no provenance`)
  }
  const hash = digest.replace('sha256:', '')
  if (proven.get(repositoryOfImage) !== hash) fail('the image has no provenance')
  for (const bundle of bundles) {
    const blob = `blobs/sha256/${createHash('sha256').update(bundle).digest('hex')}`
    const stored = execFileSync('tar', ['-xOf', join(release, files.image), blob])
    if (subjectsOf(verifyStatement(key, stored)).get(reference) !== hash) fail('the image is not the signed one')
  }
}

function subjectsOf({ subject }: Statement): Map<string, string> {
  return new Map(subject.map(({ name: of, digest }) => [of, digest.sha256]))
}

function report({ commit, changed }: Source, digest: string): void {
  const present = readdirSync(release).toSorted()
  const width = Math.max(...present.map((file) => file.length)) + 2
  const lines = [
    `Keymount ${version} for ${platform}`,
    `  commit   ${commit}`,
    ...(changed ? ['           with uncommitted changes, which the archive of the sources does not have'] : []),
    `  image    ${reference}`,
    `           ${digest}`,
    ...otherPackages().map((difference) => `  package  ${difference}, as the Dockerfile pins it`),
    '',
    relative('.', release) || '.',
    ...present.map((file) => `  ${file.padEnd(width)}${size(statSync(join(release, file)).size).padStart(9)}`),
    '',
    signer === undefined
      ? 'Not signed. Compare the checksums with: sha256sum --check SHA256SUMS'
      : `Signed with a key of this run, and verified: the image, ${files.sums}, the provenance of every file.\nSECURITY.md has the commands to verify them with cosign ("Verify what you install").`,
  ]
  console.log(lines.join('\n'))
}

/** Every file that is there already, by its hash. */
function checksums(): Subject[] {
  return readdirSync(release)
    .toSorted()
    .map((file) => ({ name: file, sha256: sha256(file) }))
}

function sha256(file: string): string {
  return createHash('sha256')
    .update(readFileSync(join(release, file)))
    .digest('hex')
}

function size(bytes: number): string {
  return bytes < 1024 * 1024 ? `${(bytes / 1024).toFixed(1)} KiB` : `${(bytes / 1024 / 1024).toFixed(1)} MiB`
}

function fail(why: string): never {
  process.stderr.write(`keymount: ${why}\n`)
  process.exit(1)
}
