import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, globSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import { before, type TestContext, test } from 'node:test'
import { chartNames, packageCharts } from '#packaging/charts'
import { differencesFromPins } from '../../scripts/release/machine.ts'
import { releaseNotes } from '../../scripts/release/notes.ts'
import { createSigner, type Statement, verifyBlob, verifyStatement } from '../../scripts/release/signing.ts'
import { findProgram } from '../support/find-program.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const root = resolve(import.meta.dirname, '../..')
const release = join(root, 'dist/release')
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }
const archive = `keymount-${version}-linux-${process.arch}.tar`
const cosign = findProgram('cosign', 'KEYMOUNT_COSIGN')
const needsCosign =
  cosign === undefined ? { skip: 'cosign not found: put it on the PATH or name it in KEYMOUNT_COSIGN' } : {}

let printed = ''
before(() => {
  printed = execFileSync(process.execPath, [join(root, 'scripts/release.ts')], { cwd: root, encoding: 'utf8' })
})

const read = (name: string, directory = release) => readFileSync(join(directory, name))
const statementOf = (bundle: string): Statement => {
  const { dsseEnvelope } = JSON.parse(read(bundle).toString()) as { dsseEnvelope: { payload: string } }
  return JSON.parse(Buffer.from(dsseEnvelope.payload, 'base64').toString()) as Statement
}

test('npm run release:dry makes all that a release publishes, and its checksums hold', async () => {
  const charts = await packageCharts({ directory: join(root, 'charts') })
  assert.equal(charts.length, chartNames.length)
  assert.deepEqual(
    readdirSync(release).toSorted(),
    [
      'RELEASE-NOTES.md',
      'SHA256SUMS',
      'SHA256SUMS.sigstore.json',
      'cosign.pub',
      archive,
      `keymount-${version}-linux-${process.arch}.cdx.json`,
      `keymount-${version}-linux-${process.arch}.licenses.txt`,
      `keymount-${version}-source.tar.gz`,
      ...charts.map(({ fileName }) => fileName),
      `kubectl-keymount-${version}.tar.gz`,
      'krew.yaml',
      ...globSync('**/*.yaml', { cwd: join(root, 'deploy') }).map((path) => basename(path)),
      'provenance.sigstore.json',
    ].toSorted(),
  )
  execFileSync('sha256sum', ['--check', '--strict', 'SHA256SUMS'], { cwd: release, stdio: 'pipe' })
  assert.match(read('RELEASE-NOTES.md').toString(), new RegExp(`^# Keymount ${version}\n\n`))
  assert.match(printed, /^ {11}sha256:[0-9a-f]{64}$/m)
})

test('the bill of materials names Node and the packages in the bundles', () => {
  const { components } = JSON.parse(read(`keymount-${version}-linux-${process.arch}.cdx.json`).toString()) as {
    components: { name: string }[]
  }
  const names = new Set(components.map(({ name }) => name))
  for (const name of ['node', '@grpc/grpc-js', 'pino', 'node-forge']) assert.ok(names.has(name), name)
})

test('a package of the machine in another version than the Dockerfile pins is reported', () => {
  const dockerfile = 'RUN apt-get install iptables=1.8.9-2 libmnl0=1.0.4-3 netbase=6.4'
  const sbomOf = (...packages: [string, string][]) =>
    JSON.stringify({
      components: packages.map(([name, version]) => ({ name, version, purl: `pkg:deb/debian/${name}` })),
    })
  assert.deepEqual(differencesFromPins(dockerfile, sbomOf(['iptables', '1.8.9-2'], ['libmnl0', '1.0.4-3'])), [])
  assert.deepEqual(differencesFromPins(dockerfile, sbomOf(['libmnl0', '1.0.5-1'])), [
    'iptables is missing, not 1.8.9-2',
    'libmnl0 is 1.0.5-1, not 1.0.4-3',
  ])
})

test('the archive of the sources can be installed: it has the lock file', () => {
  const names = execFileSync('tar', ['-tzf', `keymount-${version}-source.tar.gz`], { cwd: release, encoding: 'utf8' })
  for (const name of ['package.json', 'package-lock.json', 'bin/keymount.mjs'])
    assert.ok(names.split('\n').includes(`keymount-${version}/${name}`), name)
})

test('the provenance is SLSA v1 over every file and the image, and names what they were made from', () => {
  const { _type, subject, predicateType, predicate } = statementOf('provenance.sigstore.json')
  assert.equal(_type, 'https://in-toto.io/Statement/v1')
  assert.equal(predicateType, 'https://slsa.dev/provenance/v1')
  const digest = /sha256:([0-9a-f]{64})/.exec(printed)?.[1]
  const files = read('SHA256SUMS').toString().trim().split('\n')
  const expected = files
    .map((line) => line.split('  '))
    .filter(([, name = '']) => !['cosign.pub', 'provenance.sigstore.json'].includes(name))
    .map(([sha256, name]) => ({ name, digest: { sha256 } }))
  assert.deepEqual(subject, [{ name: 'ghcr.io/keymount/keymount', digest: { sha256: digest } }, ...expected])

  const { buildDefinition, runDetails } = predicate as {
    buildDefinition: { buildType: string; resolvedDependencies: { uri: string; digest?: Record<string, string> }[] }
    runDetails: { builder: { id: string }; metadata: { startedOn: string; finishedOn: string } }
  }
  const materials = new Map(buildDefinition.resolvedDependencies.map(({ uri, digest }) => [uri, digest]))
  const commit = /^ {2}commit {3}([0-9a-f]{40})$/m.exec(printed)?.[1] ?? ''
  execFileSync('git', ['cat-file', '-e', `${commit}^{commit}`], { cwd: root })
  const sources = `git+https://github.com/keymount/keymount@${commit}`
  assert.deepEqual(materials.get(sources), { gitCommit: commit })
  assert.match(materials.get(`${sources}#package-lock.json`)?.sha256 ?? '', /^[0-9a-f]{64}$/)
  const uris = [...materials.keys()]
  const base = uris.find((uri) => uri.startsWith('pkg:docker/node@'))
  assert.ok(read('Dockerfile', root).includes(`@sha256:${materials.get(base ?? '')?.sha256} AS build`))
  assert.match(materials.get(`pkg:generic/node@${process.versions.node}`)?.sha256 ?? '', /^[0-9a-f]{64}$/)
  const libc = uris.find((uri) => /#.*libc\.so/.test(uri))
  assert.match(materials.get(libc ?? '')?.sha256 ?? '', /^[0-9a-f]{64}$/)
  assert.match(runDetails.builder.id, /^https:\/\//)
  assert.ok(Date.parse(runDetails.metadata.startedOn) <= Date.parse(runDetails.metadata.finishedOn))
})

test('a signature of another key, or over other bytes, is refused', () => {
  const [signer, other] = [createSigner(), createSigner()]
  const bytes = Buffer.from('content')
  const bundle = signer.signBlob(bytes)
  verifyBlob(signer.publicKey, bundle, bytes)
  assert.throws(() => verifyBlob(other.publicKey, bundle, bytes), /signature verification failed/)
  assert.throws(() => verifyBlob(signer.publicKey, bundle, Buffer.from('Content')), /signature verification failed/)

  const statement = { ...statementOf('provenance.sigstore.json'), subject: [] }
  const signed = signer.signStatement(statement)
  assert.deepEqual(verifyStatement(signer.publicKey, signed), statement)
  assert.throws(() => verifyStatement(other.publicKey, signed), /signature verification failed/)
  assert.throws(() => verifyBlob(signer.publicKey, signed, bytes), /no signature of a file/)
})

test('the notes of a release are its section of the changelog, with links that work elsewhere', () => {
  const changelog =
    '# Changelog\n\n## 1.2.0 (2026-01-01)\n\n- [New](docs/new.md), [so](https://example.com).\n\n## 1.1.0\n\n- Old.\n'
  assert.equal(
    releaseNotes(changelog, '1.2.0', 'https://host/files'),
    '# Keymount 1.2.0\n\n- [New](https://host/files/docs/new.md), [so](https://example.com).\n',
  )
  assert.throws(() => releaseNotes(changelog, '1.2', 'https://host/files'), /no section "## 1\.2"/)
})

/** The commands of SECURITY.md, for this version and machine. */
const commands = (read('SECURITY.md', root).toString().split('## Verify what you install\n')[1] ?? '')
  .split('\n## ')[0]
  ?.match(/```bash\n([^`]*)```/)?.[1]
  ?.replaceAll('linux-x64', `linux-${process.arch}`)
  .trim()
  .split('\n')

/** A copy of the release, and whether each command that SECURITY.md gives succeeds in it. */
function copyOfRelease(t: TestContext) {
  const directory = join(temporaryDirectory(t, 'keymount-release-'), 'release')
  cpSync(release, directory, { recursive: true })
  const home = join(directory, '../home')
  mkdirSync(home)
  // No trust root of the machine and no network may matter.
  const env = { PATH: `${cosign?.replace(/\/cosign$/, '')}:${process.env.PATH}`, HOME: home }
  return {
    flip: (name: string, at: (bytes: Buffer) => number) => flipByte(join(directory, name), at),
    run: (command: string) => {
      const result = spawnSync('sh', ['-c', command], { cwd: directory, env, encoding: 'utf8', timeout: 60_000 })
      return { passed: result.status === 0, output: result.stdout + result.stderr }
    },
  }
}

function flipByte(path: string, at: (bytes: Buffer) => number): void {
  const bytes = readFileSync(path)
  const start = at(bytes)
  assert.ok(start >= 0, path)
  // A letter or digit that becomes another one, so that JSON, base64 and hexadecimal stay well-formed.
  const position = bytes.findIndex((byte, index) => index >= start && /[b-e2-9]/.test(String.fromCharCode(byte)))
  assert.ok(position >= 0, path)
  bytes.writeUInt8(bytes.readUInt8(position) ^ 1, position)
  writeFileSync(path, bytes)
}

const find = (word: string) => (commands ?? []).find((command) => command.includes(word)) ?? `false ${word}`

test('the commands of SECURITY.md verify what the dry run made', needsCosign, (t) => {
  assert.equal(commands?.length, 6)
  assert.ok(commands.some((command) => command.includes(version)))
  const { run } = copyOfRelease(t)
  for (const command of commands) {
    const { passed, output } = run(command)
    assert.ok(passed, `${command}\n${output}`)
  }
})

test('cosign refuses checksums, a chart, a provenance and an image with one flipped bit', needsCosign, (t) => {
  const cases = [
    { command: find('sha256sum'), name: archive, at: (bytes: Buffer) => bytes.length >> 1 },
    { command: find('verify-blob '), name: 'SHA256SUMS', at: () => 0 },
    {
      command: find('verify-blob '),
      name: 'SHA256SUMS.sigstore.json',
      at: (b: Buffer) => b.indexOf('"signature":"') + 40,
    },
    { command: find('verify-blob-attestation'), name: `keymount-${version}.tgz`, at: (b: Buffer) => b.length >> 1 },
    {
      command: find('verify-blob-attestation'),
      name: 'provenance.sigstore.json',
      at: (b: Buffer) => b.indexOf('"payload":"') + 200,
    },
  ]
  for (const { command, name, at } of cases) {
    const { flip, run } = copyOfRelease(t)
    assert.ok(run(command).passed, command)
    flip(name, at)
    const { passed, output } = run(command)
    assert.ok(!passed, `${command} did not notice a flipped bit of ${name}`)
    assert.doesNotMatch(output, /no such file|not found|unknown flag/i)
  }

  const { flip, run } = copyOfRelease(t)
  for (const command of [find('mkdir'), find('tar -xf')]) assert.ok(run(command).passed, command)
  assert.ok(run(find('--local-image')).passed)
  flip('image/index.json', (bytes) => bytes.indexOf('"digest":"sha256:') + 20)
  assert.ok(!run(find('--local-image')).passed, 'cosign accepts an image of another digest')
})
