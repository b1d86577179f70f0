import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { runCli } from '../support/run-cli.ts'

test('--version prints the version of the package', async () => {
  const { version } = JSON.parse(readFileSync(join(import.meta.dirname, '../../package.json'), 'utf8')) as {
    version: string
  }
  assert.deepEqual(await runCli(['--version']), { code: 0, stdout: `${version}\n`, stderr: '' })
})

test('--help lists every command on standard output', async () => {
  const { code, stdout } = await runCli(['--help'])
  assert.equal(code, 0)
  for (const name of [
    'up',
    'down',
    'status',
    'env',
    'demo',
    'rotate',
    'driver',
    'provider',
    'node',
    'controller',
    'proxy',
    'proxy-init',
    'mic',
    'nmi',
    'local-azure',
    'local-cluster',
  ]) {
    assert.match(stdout, new RegExp(`^  ${name} `, 'm'))
  }
})

test('an unknown command gets the nearest one, and status 2', async () => {
  const { code, stderr } = await runCli(['stauts'])
  assert.equal(code, 2)
  assert.match(stderr, /Did you mean status\?/)
})

test('a wrong value names the option and what it takes', async () => {
  for (const [args, text] of [
    [['up', '--port', '70000'], /--port <port>.*Expected a port from 0 \(any free one\) to 65535/],
    [['up', '--sync-frequency', 'soon'], /--sync-frequency <time>.*Expected a duration such as 30s or 2m/],
    [['up', '--ports', 'some'], /--ports <which>.*fixed, free/],
  ] as const) {
    const { code, stderr } = await runCli([...args])
    assert.equal(code, 2)
    assert.match(stderr, text)
  }
})

test('the daemons run from the same command', async () => {
  const { code, stdout } = await runCli(['provider', '--version'])
  assert.equal(code, 0)
  assert.match(stdout, /"version":"v\d/)
  const wrong = await runCli(['driver', '--no-such-flag'])
  assert.equal(wrong.code, 2)
  assert.match(wrong.stderr, /--no-such-flag: unknown flag/)
})
