import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { silentLog, sleep } from '#lib'
import { notifyProgram, startNotifyDaemon } from '#product/notify'
import { configOf } from '../../support/config-of.ts'
import { eventually } from '../../support/eventually.ts'
import { readMetrics } from '../../support/metrics.ts'
import { cliCommand, cliEnvironment, runCli } from '../../support/run-cli.ts'
import { temporaryDirectory } from '../../support/temporary-directory.ts'
import { createVolume, startReloadable, type TestVolume } from './notify-lab.ts'

const rotations = 300

function volumeOf(t: TestContext): TestVolume {
  const volume = createVolume()
  t.after(() => volume.remove())
  return volume
}

async function start(t: TestContext, ...flags: string[]) {
  const exits: number[] = []
  const config = configOf(notifyProgram, ['--metrics-addr=127.0.0.1:0', ...flags])
  const running = await startNotifyDaemon(config, { log: silentLog, exit: (code) => void exits.push(code) })
  t.after(() => running.stop())
  return { exits, metrics: async () => (await readMetrics(running.metricsPort)).text }
}

/** `keymount notify` as the sidecar runs it. */
function startProcess(t: TestContext, ...flags: string[]) {
  const [program, ...words] = cliCommand
  const child = spawn(program, [...words, 'notify', ...flags], {
    env: cliEnvironment(),
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let log = ''
  child.stderr.on('data', (text: Buffer) => {
    log += text.toString()
  })
  t.after(() => child.kill('SIGKILL'))
  return { child, ready: () => eventually(() => assert.match(log, /"msg":"ready"/)), log: () => log }
}

test(`each of ${rotations} rotations is one request, and there is none without a rotation`, async (t) => {
  const volume = volumeOf(t)
  const app = await startReloadable()
  t.after(() => app.close())
  const { metrics } = await start(t, `--watch=${volume.directory}`, '--settle=0s', `--post=${app.url}`)
  // Neither the start nor other changes of the directory count.
  writeFileSync(join(volume.directory, 'unrelated'), 'x')
  await sleep(300)
  assert.equal(app.count, 0)
  for (let turn = 0; turn < rotations; turn++) {
    const requested = app.next()
    volume.rotate(`value ${turn}`)
    await requested
  }
  await sleep(300)
  assert.equal(app.count, rotations)
  assert.match(await metrics(), new RegExp(`notify_total\\{action="post",result="success"\\} ${rotations}`))
})

test('changes in quick succession are one request', async (t) => {
  const volumes = [volumeOf(t), volumeOf(t)]
  const app = await startReloadable()
  t.after(() => app.close())
  await start(t, ...volumes.map(({ directory }) => `--watch=${directory}`), '--settle=400ms', `--post=${app.url}`)
  const requested = app.next()
  for (const content of ['a', 'b', 'c']) for (const volume of volumes) volume.rotate(content)
  await requested
  await sleep(600)
  assert.equal(app.count, 1)
})

test('a request that fails is tried again until it succeeds', async (t) => {
  const volume = volumeOf(t)
  const app = await startReloadable()
  t.after(() => app.close())
  app.status = 503
  const { metrics } = await start(t, `--watch=${volume.directory}`, '--settle=0s', `--post=${app.url}`)
  const first = app.next()
  volume.rotate('second')
  await first
  app.status = 204
  await app.next()
  await eventually(async () => assert.match(await metrics(), /notify_total\{action="post",result="success"\} 1/))
  assert.match(await metrics(), /notify_last_success_timestamp_seconds 1\d{9}/)
})

test('a signal reaches the process of that name, and no other', async (t) => {
  const volume = volumeOf(t)
  const directory = temporaryDirectory(t, 'keymount-notify-')
  const received = join(directory, 'received')
  const named = join(directory, 'reloadable')
  // A program of its own name, as the application has one.
  copyFileSync('/bin/sh', named)
  const script = `trap 'echo HUP >> ${received}' HUP; echo up > ${received}; while true; do sleep 0.05; done`
  const app = spawn(named, ['-c', script], { stdio: 'ignore' })
  t.after(() => app.kill('SIGKILL'))
  await eventually(() => assert.equal(readFileSync(received, 'utf8'), 'up\n'))
  const { metrics } = await start(
    t,
    `--watch=${volume.directory}`,
    '--settle=0s',
    '--signal=HUP',
    '--process=reloadable',
  )
  volume.rotate('second')
  await eventually(() => assert.equal(readFileSync(received, 'utf8'), 'up\nHUP\n'))
  await eventually(async () => assert.match(await metrics(), /notify_total\{action="signal",result="success"\} 1/))
})

test('a command runs with its arguments, and the exit code is the last word', async (t) => {
  const volume = volumeOf(t)
  const file = join(temporaryDirectory(t, 'keymount-notify-'), 'touched')
  const { exits } = await start(
    t,
    `--watch=${volume.directory}`,
    '--settle=0s',
    `--command=touch ${file}`,
    '--exit-code=88',
  )
  volume.rotate('second')
  await eventually(() => {
    readFileSync(file)
    assert.deepEqual(exits, [88])
  })
})

test('keymount notify ends with the exit code when the volume changes, and with 0 at SIGTERM before', async (t) => {
  const volume = volumeOf(t)
  const first = startProcess(t, `--watch=${volume.directory}`, '--settle=0s', '--exit-code=88')
  await first.ready()
  const exited = once(first.child, 'exit')
  volume.rotate('second')
  assert.deepEqual(await exited, [88, null])

  const second = startProcess(t, `--watch=${volume.directory}`, '--exit-code=88')
  await second.ready()
  const ended = once(second.child, 'exit')
  second.child.kill('SIGTERM')
  assert.deepEqual(await ended, [0, null])
})

test('what cannot work is refused at the start, with what would be right', async (t) => {
  const empty = temporaryDirectory(t, 'keymount-notify-')
  const cases: [string[], RegExp][] = [
    [[], /--watch: missing/],
    [['--watch=relative', '--exit-code=1'], /--watch: found "relative", expected an absolute path/],
    [['--watch=/mnt'], /expected at least one of --post, --signal, --command and --exit-code/],
    [['--watch=/mnt', '--signal=HUP'], /--process: missing; --signal needs it/],
    [['--watch=/mnt', '--signal=NONE', '--process=x'], /--signal: found "NONE", expected a signal such as HUP/],
    [['--watch=/mnt', '--post=localhost:1'], /--post: found "localhost:1", expected a URL/],
    [[`--watch=${empty}`, '--exit-code=1'], /is not a volume whose files change at once: it has no link \.\.data/],
  ]
  for (const [flags, expected] of cases) {
    const { code, stderr } = await runCli(['notify', ...flags])
    assert.notEqual(code, 0)
    assert.match(stderr, expected)
  }
})
