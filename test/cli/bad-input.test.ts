import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, writeFileSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { temporaryHome } from '../lab/home/lab-in-temporary-home.ts'
import { writeUserClusterState } from '../lab/home/user-cluster-home.ts'
import { loopbackPort } from '../support/loopback-port.ts'
import { mayMount } from '../support/may-mount.ts'
import { runCli } from '../support/run-cli.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

test('a port in use is reported with the process that has it and the option that selects another', async (t) => {
  const home = await temporaryHome(t)
  const port = await loopbackPort(t, createServer())
  const { code, stderr } = await home.keymount('up', '--ports', 'free', '--azure-port', String(port))
  assert.equal(code, 1)
  assert.match(
    stderr,
    new RegExp(`cannot listen on 127\\.0\\.0\\.1:${port}: it is in use by process ${process.pid} \\(`),
  )
  assert.match(stderr, /--azure-port PORT/)
  assert.equal((await home.status()).state, 'down', 'nothing was started')
})

test('a corrupt state file is named with what is wrong, and down works nevertheless', async (t) => {
  const home = await temporaryHome(t)
  const file = join(home.path, 'lab.json')
  for (const [text, why] of [
    ['{"version":1', /it is not JSON/],
    ['{"version":7}', /version/],
  ] as const) {
    await writeFile(file, text)
    const { code, stderr } = await home.keymount('up')
    assert.equal(code, 1)
    assert.ok(stderr.includes(`${file} is corrupt`), stderr)
    assert.match(stderr, why)
    assert.match(stderr, /down --delete-state/)
  }
  assert.equal((await home.keymount('down', '--delete-state')).code, 0)
  assert.ok(!existsSync(home.path))
})

test('corrupt state of a program is reported from its log, and nothing is left running', async (t) => {
  const home = await temporaryHome(t)
  await home.up()
  await home.keymount('down')
  await writeFile(join(home.path, 'azure/state.jsonl'), 'not JSON\n{}\n')
  const { code, stderr } = await home.keymount('up')
  assert.equal(code, 1)
  assert.match(stderr, /Cannot start the local Azure/)
  assert.match(stderr, /state\.jsonl is corrupt at line 1/)
  assert.equal((await home.status()).state, 'down')
})

test('a state directory whose sockets would have too long a path is refused', async () => {
  const { code, stderr } = await runCli(['up', '--home', `/tmp/${'x'.repeat(60)}`])
  assert.equal(code, 1)
  assert.match(stderr, /its path has 65 bytes/)
  assert.match(stderr, /KEYMOUNT_HOME/)
})

test('a file where the state directory should be is named', async (t) => {
  const home = await temporaryHome(t)
  const file = join(home.path, 'file')
  await writeFile(file, '')
  const { code, stderr } = await runCli(['up', '--home', join(file, 'lab')])
  assert.equal(code, 1)
  assert.match(stderr, /a file is where a directory is needed/)
  assert.match(stderr, /--home DIR/)
})

test('a full disk is reported as such, and nothing is left running', async (t) => {
  const home = await temporaryHome(t)
  const small = join(home.path, 'small')
  await mkdir(small)
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=40k', 'tmpfs', small])
  try {
    const { code, stderr } = await runCli(['up', '--ports', 'free', '--home', join(small, 'k')])
    assert.equal(code, 1)
    assert.match(stderr, /no space left on device|is full/)
    const { code: status } = await runCli(['status', '--home', join(small, 'k')])
    assert.equal(status, 3)
  } finally {
    execFileSync('umount', ['-l', small])
  }
})

test('a kubeconfig that cannot be read, or names no cluster, is a clear error', async (t) => {
  const home = await temporaryHome(t)
  const missing = await home.keymount('up', '--ports', 'free', '--kubeconfig', '/nonexistent')
  assert.equal(missing.code, 1)
  assert.match(missing.stderr, /The kubeconfig \/nonexistent cannot be used/)
  const file = join(home.path, 'kubeconfig')
  await writeFile(file, 'apiVersion: v1\ncurrent-context: here\ncontexts: []\n')
  const empty = await home.keymount('up', '--ports', 'free', '--kubeconfig', file)
  assert.match(empty.stderr, /there is no entry named "here"/)
})

test('options that do not fit together are refused with the reason', async (t) => {
  const home = await temporaryHome(t)
  const { code, stderr } = await home.keymount('up', '--image', 'x')
  assert.equal(code, 2)
  assert.match(stderr, /--image cannot be used here/)
  assert.match(stderr, /--kubeconfig/)
})

test('down does not give up a cluster that does not answer, except with --force', async (t) => {
  const home = await temporaryHome(t)
  await writeUserClusterState(home.path, join(home.path, 'kubeconfig'))
  const { code, stderr } = await home.keymount('down')
  assert.equal(code, 1)
  assert.match(stderr, /cannot be removed from the cluster/)
  assert.match(stderr, /keymount down --force/)
  assert.equal((await home.keymount('down', '--force')).code, 0)
})

test('a platform that the image does not have is refused with those that it has', async () => {
  const { code, stderr } = await runCli(['image', 'push', 'localhost:1/x:1', '--platform', 'linux/arm'])
  assert.equal(code, 2)
  assert.match(stderr, /--platform linux\/arm is not possible/)
  assert.match(stderr, /built for linux\/amd64, linux\/arm64, windows\/amd64/)
})

test('the help of a command that does not exist is an error that names the nearest one', async () => {
  for (const words of [
    ['help', 'stauts'],
    ['stauts', '--help'],
  ]) {
    const { code, stdout, stderr } = await runCli(words)
    assert.deepEqual([code, stdout], [2, ''])
    assert.match(stderr, /unknown command 'stauts'\n {2}fix {2}did you mean status\?/)
  }
  assert.match(
    (await runCli(['azure', 'throtle', '-h'])).stderr,
    /unknown command 'throtle'\n {2}fix {2}did you mean throttle\?/,
  )
})

test('an empty --home, as of a shell variable that is not set, is not the working directory', async () => {
  for (const command of ['up', 'down', 'status', 'env']) {
    const { code, stderr } = await runCli([command, '--home', ''])
    assert.equal(code, 2)
    assert.match(stderr, /--home <directory>.*Expected the path of a directory/)
  }
})

test('a directory that cannot be made is reported at once, without a stack', async (t) => {
  const file = join(temporaryDirectory(t), 'file')
  writeFileSync(file, '')
  for (const [words, why] of [
    [['up', '--home', '/proc/1/x'], /Cannot write \/proc\/1\/x\n {2}why {2}the file system allows no directory there/],
    [['charts', 'package', '-d', '/proc/x'], /Cannot write \/proc\/x/],
    [['charts', 'package', '-d', file], /a file of this name exists/],
    [['up', '--home', `${file}/x`], /a file is where a directory is needed/],
  ] as const) {
    const { code, stderr } = await runCli([...words])
    assert.equal(code, 1)
    assert.match(stderr, why)
    assert.doesNotMatch(stderr, /Unexpected error|\n {4}at /)
  }
})

test('a program that does not exist, and a vault that cannot, are refused before an emulator starts', async () => {
  const missing = await runCli(['azure', 'exec', '--', 'no-such-program'])
  assert.equal(missing.code, 1)
  assert.match(missing.stderr, /Cannot run no-such-program\n {2}why {2}there is no such program on the PATH/)
  for (const name of ['a b', '1a', 'ab', 'a--b', 'a-', 'a'.repeat(25)]) {
    const { code, stderr } = await runCli(['azure', 'exec', '--vault', name, '--', 'true'])
    assert.equal(code, 2, name)
    assert.match(stderr, /There can be no vault ".*\n {2}why {2}a name has 3 to 24 letters/)
  }
})

test('a disk that is full is reported with its directories, leaves nothing running, and its state can be deleted', {
  skip: !mayMount() && 'needs the right to mount',
}, async (t) => {
  const home = temporaryDirectory(t, 'h-')
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', home])
  t.after(() => execFileSync('umount', ['-l', home]))
  const { code, stderr } = await runCli(['up', '--home', home, '--ports', 'free'])
  assert.equal(code, 1)
  assert.match(stderr, /ENOSPC|the disk of \S+ is full/)
  assert.doesNotMatch(stderr, /Unexpected error/)
  assert.equal((await runCli(['status', '--home', home])).code, 3)
  const down = await runCli(['down', '--delete-state', '--home', home])
  assert.deepEqual([down.code, down.stderr], [0, ''])
  assert.match(down.stdout, /deleted/)

  const cache = temporaryDirectory(t, 'c-')
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=15m', 'tmpfs', cache])
  t.after(() => execFileSync('umount', ['-l', cache]))
  const state = temporaryDirectory(t, 'h-')
  const other = await runCli(['up', '--home', state, '--ports', 'free'], { XDG_CACHE_HOME: cache })
  assert.equal(other.code, 1)
  assert.match(other.stderr, new RegExp(`Cannot write \\S*.*${cache}`))
  assert.match(other.stderr, /the disk is full/)
  await runCli(['down', '--delete-state', '--home', state])
})

test('a directory that cannot be made is an error, and does not keep the command busy for good', async (t) => {
  const secret = 'apiVersion: external-secrets.io/v1\nkind: ExternalSecret\nmetadata: {name: db}\n'
  const input = join(temporaryDirectory(t), 'db.yaml')
  writeFileSync(input, secret)
  for (const args of [
    ['migrate', '-o', '/proc/nope/x', input],
    ['local-azure', '--state', '/proc/nope/x'],
  ]) {
    const { code, stderr } = await runCli(args)
    assert.notEqual(code, 0, args.join(' '))
    assert.match(stderr, /\/proc\/nope/)
  }
})

test('a dashboard on a port in use names the option that selects another', async (t) => {
  const port = await loopbackPort(t, createServer())
  const { code, stderr } = await runCli(['dashboard', '--port', String(port), '--kubeconfig', unreachable(t)])
  assert.equal(code, 2)
  assert.match(stderr, /it is in use/)
  assert.match(stderr, /--port PORT/)
  assert.doesNotMatch(stderr, / at /)
})

test('a cluster that does not answer is not reported as an empty one', async (t) => {
  const { code, stdout, stderr } = await runCli(['status', 'volumes', '--kubeconfig', unreachable(t)])
  assert.equal(code, 1)
  assert.equal(stdout, '')
  assert.equal(stderr.match(/is unreachable/g)?.length, 1, stderr)
})

test('a word that status has no view for is answered with the views', async () => {
  const { code, stderr } = await runCli(['status', 'volume'])
  assert.equal(code, 2)
  assert.match(stderr, /keymount status has no subcommand "volume"/)
  assert.match(stderr, /did you mean volumes\?/)
  assert.match(stderr, /one of: volumes, objects, classes, /)
})

test('explain prints a rule of lint or migrate with its page; a rule that does not exist is an error with the page', async () => {
  const found = await runCli(['explain', 'km117'])
  assert.equal(found.code, 0, found.stderr)
  assert.match(found.stdout, /^KM117 .*reported by keymount migrate\)$/m)
  assert.match(found.stdout, /^More: https:.*\/docs\/migrate-findings\.md#km117$/m)
  assert.equal(JSON.parse((await runCli(['explain', 'KL007', '--json'])).stdout).rule, 'KL007')
  const missing = await runCli(['explain', 'KL999'])
  assert.equal(missing.code, 2)
  assert.match(missing.stderr, /keymount lint has no rule KL999[\s\S]*docs\/lint\.md/)
})

test('migrate names the directory that it cannot create', async (t) => {
  const input = join(temporaryDirectory(t), 'a.yaml')
  const type = 'apiVersion: secrets-store.csi.x-k8s.io/v1\nkind: SecretProviderClass'
  writeFileSync(input, `${type}\nmetadata: {name: app}\nspec: {provider: azure}\n`)
  const { code, stderr } = await runCli(['migrate', input, '-o', '/proc/none'])
  assert.equal(code, 2)
  assert.match(stderr, /The directory \/proc\/none cannot be created/)
})

function unreachable(t: TestContext): string {
  const file = join(temporaryDirectory(t), 'kubeconfig')
  const text = `apiVersion: v1
kind: Config
current-context: x
contexts: [{name: x, context: {cluster: x, user: x}}]
clusters: [{name: x, cluster: {server: "https://127.0.0.1:1"}}]
users: [{name: x, user: {token: x}}]
`
  writeFileSync(file, text)
  return file
}
