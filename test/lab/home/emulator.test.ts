import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { type TestContext, test } from 'node:test'
import { createAuthority } from '#lib/formats'
import { listen } from '#lib/http'
import { eventually } from '../../support/eventually.ts'
import { findProgram } from '../../support/find-program.ts'
import { cliCommand, cliEnvironment, runCli } from '../../support/run-cli.ts'
import { temporaryDirectory } from '../../support/temporary-directory.ts'

/** Runs `keymount azure …` with a temporary directory of its own, in which nothing may stay. */
function emulator(t: TestContext) {
  const directory = temporaryDirectory(t)
  const env = { ...cliEnvironment(), TMPDIR: directory }
  const [program, ...words] = cliCommand
  return {
    directory,
    leftBehind: () => readdirSync(directory).filter((name) => name.startsWith('keymount-azure-')),
    run: (args: readonly string[], more: Record<string, string> = {}) =>
      runCli(['azure', ...args], { ...more, TMPDIR: directory }),
    start(args: readonly string[]) {
      const child = spawn(program, [...words, 'azure', ...args], { env, stdio: ['pipe', 'pipe', 'inherit'] })
      t.after(() => child.kill('SIGKILL'))
      return child
    },
  }
}

/** A program that prints a secret with the official SDK for JavaScript. */
const readSecret = `
import { DefaultAzureCredential } from '@azure/identity'
import { SecretClient } from '@azure/keyvault-secrets'
const client = new SecretClient(process.env.VAULT_URL, new DefaultAzureCredential())
console.log((await client.getSecret(process.argv.at(-1))).value)
`

const node = (script: string, ...args: string[]) => [process.execPath, '--input-type=module', '-e', script, ...args]

test('a command reads the secrets of its own emulator with the SDK for JavaScript, and its exit status is returned', async (t) => {
  const { run, leftBehind } = emulator(t)
  const secrets = ['--vault', 'app', '--vault', 'other', '--secret', 'password=a=b', '--secret', 'other/token=x']
  const found = await run(['exec', ...secrets, '--', ...node(readSecret, 'password')])
  assert.deepEqual([found.code, found.stdout], [0, 'a=b\n'], found.stderr)
  const missing = await run(['exec', ...secrets, '--', ...node(readSecret, 'token')])
  assert.equal(missing.code, 1)
  assert.match(missing.stderr, /token was not found in this key vault/)
  assert.equal((await run(['exec', '--', 'sh', '-c', 'exit 7'])).code, 7)
  assert.equal((await run(['exec', '--', 'sh', '-c', 'kill -9 $$'])).code, 137)
  assert.deepEqual(leftBehind(), [])
})

const python = findProgram('azure-sdk-python', 'KEYMOUNT_SDK_PYTHON')

test('a command in Python reads a secret with the official SDK', {
  skip: python === undefined && 'the Azure SDK for Python is not installed: see test/lab/azure/sdks.test.ts',
}, async (t) => {
  const { run, directory } = emulator(t)
  const script = join(directory, 'read.py')
  writeFileSync(
    script,
    [
      'import os',
      'from azure.identity import DefaultAzureCredential',
      'from azure.keyvault.secrets import SecretClient',
      'client = SecretClient(os.environ["VAULT_URL"], DefaultAzureCredential())',
      'print(client.get_secret("password").value)',
    ].join('\n'),
  )
  const { code, stdout, stderr } = await run(['exec', '--secret', 'password=example', '--', python ?? '', script])
  assert.deepEqual([code, stdout], [0, 'example\n'], stderr)
})

test('a program that does not exist, a bad secret and a bad vault name are named, and nothing stays', async (t) => {
  const { run, leftBehind } = emulator(t)
  const missing = await run(['exec', '--', 'no-such-program'])
  assert.deepEqual([missing.code, /Cannot run no-such-program/.test(missing.stderr)], [1, true])
  const secret = await run(['exec', '--secret', 'hunter2', '--', 'true'])
  assert.equal(secret.code, 2)
  assert.match(secret.stderr, /NAME=VALUE/)
  assert.doesNotMatch(secret.stderr, /hunter2/)
  const vault = await run(['exec', '--vault', 'x', '--', 'true'])
  assert.equal(vault.code, 2)
  assert.match(vault.stderr, /There can be no vault "x"\n {2}why {2}a name has 3 to 24 letters/)
  assert.deepEqual(leftBehind(), [])
})

test('the example for Node in the documentation passes', async (t) => {
  const { run, directory } = emulator(t)
  const page = readFileSync(join(import.meta.dirname, '../../../docs/emulator.md'), 'utf8')
  const [, example = ''] = /```js\n([\s\S]*?)```/.exec(page) ?? []
  const file = join(directory, 'vault.test.mjs')
  writeFileSync(file, example)
  symlinkSync(join(import.meta.dirname, '../../../node_modules'), join(directory, 'node_modules'))
  const { code, stdout, stderr } = await run(['exec', '--secret', 'password=example', '--', process.execPath, file])
  assert.equal(code, 0, stdout + stderr)
})

test('another host is reached through the emulator, and refused with --offline', async (t) => {
  const { run } = emulator(t)
  const site = createServer((socket) => void socket.end('from elsewhere'))
  const { port, stop } = await listen(site, { host: '127.0.0.1', port: 0 })
  t.after(stop)
  const tunnel = `
    import { connect } from 'node:net'
    const { hostname, port } = new URL(process.env.HTTPS_PROXY)
    connect(Number(port), hostname).on('data', (data) => process.stdout.write(data)).write('CONNECT 127.0.0.1:${port} HTTP/1.1\\r\\n\\r\\n')
  `
  assert.match((await run(['exec', '--', ...node(tunnel)])).stdout, /from elsewhere/)
  assert.match((await run(['exec', '--offline', '--', ...node(tunnel)])).stdout, /403.*runs with --offline/s)
})

test('the emulator wins on a machine with a proxy and a CA of its own, and both stay in use for other hosts', async (t) => {
  const { run, directory } = emulator(t)
  const ca = join(directory, 'company.pem')
  const { certificate } = await createAuthority({ name: 'CN=company', notBefore: new Date(), notAfter: new Date(4e12) })
  writeFileSync(ca, certificate)
  const company = {
    https_proxy: 'http://127.0.0.1:9',
    no_proxy: 'intranet.example,azure.net',
    CURL_CA_BUNDLE: ca,
    PIP_CERT: ca,
    SSL_CERT_DIR: directory,
  }
  const curl = [
    'curl',
    '-s',
    '-o',
    '/dev/null',
    '-w',
    '%{http_code}',
    'https://test.vault.azure.net/secrets?api-version=7.4',
  ]
  const found = await run(['exec', '--secret', 'a=b', '--', ...curl], company)
  assert.deepEqual([found.code, found.stdout], [0, '401'], found.stderr)
  const other = await run(
    ['exec', '--', 'sh', '-c', 'cat "$CURL_CA_BUNDLE"; echo "$no_proxy"; curl -sS https://example.com'],
    company,
  )
  assert.ok(other.stdout.includes(certificate.trim()))
  assert.match(other.stdout, /^127\.0\.0\.1,localhost,intranet\.example$/m)
  assert.match(other.stderr, /502/)
})

test('az of the command is signed in to its emulator, also in a shell that keymount env has pointed at a lab', async (t) => {
  const { run } = emulator(t)
  const script = 'cat "$AZURE_CONFIG_DIR/azureProfile.json"; echo; echo "$AZURE_TENANT_ID"'
  const { code, stdout, stderr } = await run(['exec', '--', 'sh', '-c', script], { AZURE_CONFIG_DIR: '/nowhere/az' })
  assert.equal(code, 0, stderr)
  const [profile = '', tenant] = stdout.trim().split('\n')
  const { subscriptions } = JSON.parse(profile) as { subscriptions: { tenantId: string }[] }
  assert.deepEqual(
    subscriptions.map(({ tenantId }) => tenantId),
    [tenant],
  )
})

test('serve prints the variables of an emulator as JSON, and stops with its standard input', async (t) => {
  const { start, leftBehind } = emulator(t)
  const child = start(['serve', '--vault', 'app', '--secret', 'password=example'])
  const [line] = await once(createInterface(child.stdout), 'line')
  const variables = JSON.parse(String(line)) as Record<string, string>
  assert.equal(variables.VAULT_URL, 'https://app.vault.azure.net/')
  assert.match(readFileSync(variables.REQUESTS_CA_BUNDLE ?? '', 'utf8'), /BEGIN CERTIFICATE/)
  const [program = '', ...args] = node(readSecret, 'password')
  const stdout = await new Promise((resolve, reject) =>
    execFile(program, args, { env: { PATH: process.env.PATH, ...variables } }, (error, text) =>
      error === null ? resolve(text) : reject(error),
    ),
  )
  assert.equal(stdout, 'example\n')
  child.stdin.end()
  const [code] = await once(child, 'exit')
  assert.equal(code, 0)
  assert.deepEqual(leftBehind(), [])
})

test('an emulator and its command end with the process that started them, even if it is killed', async (t) => {
  const { directory, leftBehind } = emulator(t)
  const env = { ...cliEnvironment(), TMPDIR: directory }
  const command = [...cliCommand, 'azure', 'exec', '--', 'sh', '-c', 'echo $$; exec sleep 600']
  const parent = spawn('sh', ['-c', '"$@" & wait', 'sh', ...command], { env, stdio: ['ignore', 'pipe', 'inherit'] })
  const [line] = await once(createInterface(parent.stdout), 'line')
  const isAlive = () => {
    try {
      return process.kill(Number(line), 0)
    } catch {
      return false
    }
  }
  assert.ok(isAlive())
  parent.kill('SIGKILL')
  await eventually(() => {
    assert.equal(isAlive(), false)
    assert.deepEqual(leftBehind(), [])
  })
})
