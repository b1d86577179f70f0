/** The samples of `examples/apps`: docs/use-in-your-app.md shows them, and each follows a rotation of a real volume. */
import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { describe, type TestContext, test } from 'node:test'
import { connect } from 'node:tls'
import { resources } from '#kubernetes/client'
import { writeFiles } from '#kubernetes/volume-files'
import { SecretValue } from '#lib'
import { removeNamespaces } from '../e2e/namespaces.ts'
import { podReady } from '../e2e/wait.ts'
import { createWorkload } from '../e2e/workload.ts'
import { eventually } from '../support/eventually.ts'
import { type Lab, startLab } from '../support/lab.ts'
import { mayMount } from '../support/may-mount.ts'
import { createOpenssl } from '../support/openssl.ts'
import { runCli } from '../support/run-cli.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import { type Application, applications, tlsServers } from './applications.ts'

const root = join(import.meta.dirname, '../..')

test('docs/use-in-your-app.md shows the samples as they are', () => {
  const page = readFileSync(join(root, 'docs/use-in-your-app.md'), 'utf8')
  for (const { shown } of applications) {
    const file = readFileSync(join(root, 'examples/apps', shown), 'utf8')
    assert.ok(page.includes(file), `the page does not include examples/apps/${shown} as it is`)
  }
})

const cannotMount = mayMount() ? undefined : 'needs the right to mount (root, or a user namespace: npm test makes one)'

test('the samples follow a rotation of a mounted volume', { skip: cannotMount ?? false }, async (t) => {
  const { volume, setSecret } = await volumeWith(t, { 'api-key': 'first' })
  const servers = new Map<string, { send(apiKey: string): Promise<number> }>()
  for (const application of applications) {
    const { language, missing } = application
    await t.test(
      `the sample in ${language} accepts the API key that is mounted`,
      { skip: missing ?? false },
      async () => {
        const server = await startServer(t, application, volume)
        servers.set(language, server)
        assert.deepEqual([await server.send('first'), await server.send('second')], [204, 401])
      },
    )
  }
  await setSecret('api-key', 'second')
  for (const [language, { send }] of servers) {
    await t.test(`the sample in ${language} accepts the rotated API key, and no longer the old one`, async () => {
      await eventually(async () => assert.deepEqual([await send('second'), await send('first')], [204, 401]), 60_000)
    })
  }
})

/** A lab with a pod whose volume has these secrets of a vault. Gives the path of the volume on the node. */
async function volumeWith(t: TestContext, secrets: Record<string, string>) {
  const lab = await startLab({ rotationPollInterval: '1s' })
  t.after(async () => {
    await removeNamespaces(lab)
    await lab.stop()
  })
  const names = Object.keys(secrets)
  const objects = ['array:', ...names.map((name) => `  - |\n    objectName: ${name}\n    objectType: secret`)]
  const { namespace, startPod, setSecret } = await createWorkload(lab, 'apps', { objects: objects.join('\n') })
  for (const [name, value] of Object.entries(secrets)) await setSecret(name, value)
  await startPod('apps')
  await podReady(lab, namespace, 'apps')
  const { metadata, spec } = await lab.kube.get(resources.pods, { namespace, name: 'apps' })
  const name = spec.volumes?.find(({ csi }) => csi !== undefined)?.name ?? ''
  const path = join(lab.kubeletRoot, 'pods', metadata.uid ?? '', 'volumes/kubernetes.io~csi', name, 'mount')
  return { volume: `/proc/${await nodeProcess(lab)}/root${path}`, setSecret }
}

/** The process whose mounts are those of the node. */
async function nodeProcess({ home }: Lab): Promise<number> {
  const { stdout } = await runCli(['status', '--json', '--home', home])
  const { processes } = JSON.parse(stdout) as { processes: { name: string; pid: number | null }[] }
  const found = processes.find(({ name }) => name === 'local-cluster')
  assert.ok(typeof found?.pid === 'number', stdout)
  return found.pid
}

describe('a version that a sample cannot use', { concurrency: true }, () => {
  for (const application of applications) {
    const { language, missing } = application
    test(`the sample in ${language} keeps the old API key while the new files lack it`, {
      skip: missing ?? false,
    }, async (t) => {
      const volume = temporaryDirectory(t)
      writeVolume(volume, { 'api-key': 'first' })
      const { send, errors } = await startServer(t, application, volume)
      writeVolume(volume, { other: 'second' })
      await eventually(() => assert.match(errors(), /the new secrets cannot be used/), 60_000)
      assert.equal(await send('first'), 204)
      writeVolume(volume, { 'api-key': 'third', 'folder/other': 'fourth' })
      await eventually(async () => assert.deepEqual([await send('third'), await send('first')], [204, 401]), 60_000)
    })
  }

  for (const { language, missing, command } of tlsServers) {
    test(`the TLS server in ${language} shows a renewed certificate, and keeps it while the next one is unusable`, {
      skip: missing ?? false,
    }, async (t) => {
      const openssl = createOpenssl(t)
      const volume = temporaryDirectory(t)
      const old = openssl.certificate('old')
      const renewed = openssl.certificate('renewed')
      writeVolume(volume, { 'tls.pem': old.key + old.certificate })
      const { port, errors } = await startSample(t, command, volume)
      assert.equal(await subjectOf(port), 'old')
      writeVolume(volume, { 'tls.pem': renewed.key + renewed.certificate })
      await eventually(async () => assert.equal(await subjectOf(port), 'renewed'), 60_000)
      writeVolume(volume, { 'tls.pem': renewed.key + old.certificate })
      await eventually(() => assert.match(errors(), /the new secrets cannot be used/), 60_000)
      assert.equal(await subjectOf(port), 'renewed')
    })
  }
})

test('a sample runs without a cluster as docs/use-in-your-app.md describes', async (t) => {
  const page = readFileSync(join(root, 'docs/use-in-your-app.md'), 'utf8')
  const [, block = ''] = /```bash\n(mkdir -p dev[\s\S]*?)```/.exec(page) ?? []
  const [before = '', after = ''] = block.split(/^SECRETS=dev .*\n/m)
  const directory = temporaryDirectory(t)
  const type = (text: string) => execFileSync('bash', ['-e', '-c', text], { cwd: directory })
  type(before)
  const [sample] = applications
  assert.ok(sample !== undefined && after !== '')
  const { send } = await startServer(t, sample, join(directory, 'dev'))
  assert.equal(await send('one'), 204)
  type(after)
  await eventually(async () => assert.deepEqual([await send('two'), await send('one')], [204, 401]), 60_000)
})

const readers: { language: string; missing: string | undefined; command: (volume: string) => readonly string[] }[] = [
  {
    language: 'JavaScript',
    missing: undefined,
    command: (volume) => [
      process.execPath,
      '--input-type=module',
      '--eval',
      `import { readSecrets } from ${JSON.stringify(join(root, 'examples/apps/javascript/secrets.mjs'))}
      let last
      for (;;) {
        const files = await readSecrets(${JSON.stringify(volume)})
        const line = [files.get('user'), files.get('folder/password'), files.size].join(' ')
        if (line !== last) console.log(line)
        last = line
      }`,
    ],
  },
  {
    language: 'Python',
    missing: applications.find(({ language }) => language === 'Python')?.missing,
    command: (volume) => [
      'python3',
      '-B',
      '-c',
      `import sys; sys.path.insert(0, ${JSON.stringify(join(root, 'examples/apps/python'))})
from secrets_volume import read_secrets
last = None
while True:
    files = read_secrets(${JSON.stringify(volume)})
    line = f'{files["user"].decode()} {files["folder/password"].decode()} {len(files)}'
    if line != last:
        print(line, flush=True)
    last = line`,
    ],
  },
]

for (const { language, missing, command } of readers) {
  test(`the reader in ${language} never mixes two versions, nor misses a file, while the volume is rewritten`, {
    skip: missing ?? false,
  }, async (t) => {
    const volume = temporaryDirectory(t)
    let version = 0
    const write = () => {
      version += 1
      writeVolume(volume, { user: String(version), 'folder/password': String(version) })
    }
    write()
    const [program = '', ...args] = command(volume)
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    t.after(() => child.kill('SIGKILL'))
    const writing = setInterval(write, 2)
    t.after(() => clearInterval(writing))
    const seen = new Set<string>()
    for await (const line of createInterface({ input: child.stdout })) {
      const [user = '', password, count] = line.split(' ')
      assert.deepEqual([password, count], [user, '2'], line)
      seen.add(user)
      if (seen.size === 100) break
    }
    assert.equal(seen.size, 100, 'the reader ended')
  })
}

function writeVolume(volume: string, files: Record<string, string>): void {
  const entries = Object.entries(files).map(([path, value]) => ({ path, mode: 0o644, contents: SecretValue.of(value) }))
  writeFiles(volume, entries, { now: new Date() })
}

/** Starts a server that accepts API keys on a volume. Gives a function that sends one and returns the status of the response. */
async function startServer(t: TestContext, { build, port }: Application, volume: string) {
  const sample = await startSample(t, await build(temporaryDirectory(t)), volume, port)
  const send = async (apiKey: string) => {
    const headers = { Authorization: `Bearer ${apiKey}` }
    const { status } = await fetch(`http://127.0.0.1:${sample.port}/`, { headers, signal: AbortSignal.timeout(20_000) })
    return status
  }
  return { send, errors: sample.errors }
}

/** Starts a sample on a volume. Gives the port that it listens on, and what it has written to standard error so far. */
async function startSample(t: TestContext, [program = '', ...args]: readonly string[], volume: string, port = 0) {
  const env = { ...process.env, SECRETS: volume, HOST: '127.0.0.1', PORT: String(port) }
  const child = spawn(program, args, { env, stdio: ['ignore', 'pipe', 'pipe'] })
  t.after(() => child.kill('SIGKILL'))
  let errors = ''
  child.stderr.setEncoding('utf8').on('data', (text) => {
    errors += text
  })
  for await (const line of createInterface({ input: child.stdout })) {
    const [, listening] = /^listening on port (\d+)$/.exec(line) ?? []
    if (listening !== undefined) return { port: Number(listening), errors: () => errors }
  }
  throw new Error(`the sample ended before it was ready:\n${errors}`)
}

/** Common name of the certificate that a server shows. */
function subjectOf(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false }, () => {
      resolve(String(socket.getPeerCertificate().subject.CN))
      socket.destroy()
    })
    socket.setTimeout(20_000, () => socket.destroy(new Error('no TLS handshake within 20 s')))
    socket.once('error', reject)
  })
}
