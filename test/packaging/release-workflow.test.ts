/**
 * The steps of .github/workflows/release.yml that need no identity of GitHub, run as they are written there: with two builds
 * of this machine, one under the name of the other architecture, and a registry on loopback.
 */
import assert from 'node:assert/strict'
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, cpSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { after, before, type TestContext, test } from 'node:test'
import { gunzipSync, gzipSync } from 'node:zlib'
import { parse } from 'yaml'
import { findProgram } from '../support/find-program.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const root = resolve(import.meta.dirname, '../..')
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }
const crane = findProgram('crane', 'KEYMOUNT_CRANE')
const needsCrane =
  crane === undefined ? { skip: 'crane not found: put it on the PATH or name it in KEYMOUNT_CRANE' } : {}

const { jobs } = parse(readFileSync(join(root, '.github/workflows/release.yml'), 'utf8')) as {
  jobs: { publish: { steps: { name?: string; run?: string }[] } }
}
const stepOf = (name: string) => jobs.publish.steps.find((step) => step.name === name)?.run ?? `no step ${name}`

const built = join(temporaryDirectory({ after }, 'keymount-built-'), 'release')
before(() => {
  execFileSync(process.execPath, [join(root, 'scripts/release.ts'), '--unsigned', '--out', built], { stdio: 'pipe' })
})

/** The directory of the job when its first step has run: two builds that are the same, but for names and compression. */
function workspace(t: TestContext): string {
  const directory = temporaryDirectory(t, 'keymount-workflow-')
  for (const architecture of ['x64', 'arm64']) {
    const build = join(directory, 'built', `release-${architecture}`)
    mkdirSync(build, { recursive: true })
    cpSync(built, build, { recursive: true })
    for (const name of readdirSync(build)) {
      const path = join(build, name)
      if (architecture === 'arm64' && name.endsWith('.tgz'))
        writeFileSync(path, gzipSync(gunzipSync(readFileSync(path)), { level: 1 }))
      renameSync(path, join(build, name.replace(`-linux-${process.arch}.`, `-linux-${architecture}.`)))
    }
    writeSums(build)
  }
  return directory
}

function writeSums(directory: string): void {
  execFileSync('sh', ['-c', 'rm -f SHA256SUMS && sha256sum -- * >../sums && mv ../sums SHA256SUMS'], { cwd: directory })
}

function run(name: string, directory: string, more: NodeJS.ProcessEnv = {}) {
  const env = { PATH: process.env.PATH, HOME: directory, GITHUB_REF_NAME: `v${version}`, ...more }
  // As GitHub runs the steps of a job.
  const { status, stdout, stderr } = spawnSync('bash', ['-e', '-c', stepOf(name)], {
    cwd: directory,
    env,
    encoding: 'utf8',
    timeout: 60_000,
  })
  return { passed: status === 0, output: stdout + stderr }
}

test('the files of both architectures are published, each once, with the checksums of all', (t) => {
  const directory = workspace(t)
  const { passed, output } = run('Both builds agree on everything but the architecture', directory)
  assert.ok(passed, output)
  const names = readdirSync(join(directory, 'release'))
  for (const architecture of ['x64', 'arm64'])
    for (const ending of ['tar', 'cdx.json', 'licenses.txt'])
      assert.ok(names.includes(`keymount-${version}-linux-${architecture}.${ending}`), `${architecture} ${ending}`)
  const sums = readFileSync(join(directory, 'release/SHA256SUMS'), 'utf8').trim().split('\n')
  assert.equal(sums.length, names.length - 1)
  execFileSync('sha256sum', ['--check', '--strict', 'SHA256SUMS'], { cwd: join(directory, 'release'), stdio: 'pipe' })
})

test('nothing is published when the two builds differ, or a file is not the one that was built', (t) => {
  const step = 'Both builds agree on everything but the architecture'
  const differs = workspace(t)
  appendFileSync(join(differs, 'built/release-arm64/keymount.yaml'), '# changed\n')
  writeSums(join(differs, 'built/release-arm64'))
  const first = run(step, differs)
  assert.match(first.output, /^cmp: .*keymount\.yaml/m)
  assert.ok(!first.passed)

  const damaged = workspace(t)
  appendFileSync(join(damaged, `built/release-x64/keymount-${version}.tgz`), 'x')
  const second = run(step, damaged)
  assert.match(second.output, /FAILED/)
  assert.ok(!second.passed)
})

test(
  'the image is pushed for both architectures, with the digest of the archive, below one name',
  needsCrane,
  async (t) => {
    const directory = workspace(t)
    assert.ok(run('Both builds agree on everything but the architecture', directory).passed)
    const IMAGE = `${await startRegistry(t)}/keymount/keymount`
    const outputs = join(directory, 'outputs')
    const variables = { IMAGE, GITHUB_OUTPUT: outputs, GITHUB_TOKEN: 'token', GITHUB_ACTOR: 'actor' }
    const { passed, output } = run('Push the image', directory, {
      ...variables,
      PATH: `${crane?.replace(/\/crane$/, '')}:${process.env.PATH}`,
    })
    assert.ok(passed, output)

    const ask = (...words: string[]) => execFileSync(crane ?? '', words, { encoding: 'utf8', stdio: 'pipe' }).trim()
    const index = ask('digest', `${IMAGE}:${version}`)
    assert.equal(readFileSync(outputs, 'utf8'), `digest=${index}\n`)
    const { manifests } = JSON.parse(ask('manifest', `${IMAGE}@${index}`)) as { manifests: { digest: string }[] }
    const archive = join(built, `keymount-${version}-linux-${process.arch}.tar`)
    const layout = JSON.parse(execFileSync('tar', ['-xOf', archive, 'index.json'], { encoding: 'utf8' })) as {
      manifests: { digest: string }[]
    }
    assert.equal(manifests.length, 2)
    for (const { digest } of manifests) assert.equal(digest, layout.manifests[0]?.digest)
  },
)

/** Address of a registry in memory. */
async function startRegistry(t: TestContext): Promise<string> {
  const registry = spawn(crane ?? '', ['registry', 'serve', '--address', '127.0.0.1:0'], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  t.after(async () => {
    registry.kill()
    await once(registry, 'exit')
  })
  for await (const line of createInterface({ input: registry.stderr })) {
    const port = /serving on port (\d+)/.exec(line)?.[1]
    if (port !== undefined) return `127.0.0.1:${port}`
  }
  throw new Error('the registry ended before it served')
}
