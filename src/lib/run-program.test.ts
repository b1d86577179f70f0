import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { runProgram } from './run-program.ts'

const sh = (script: string) => ({ program: 'sh', args: ['-c', script] })

test('runProgram() returns exit status and both outputs, and passes the input', async () => {
  const result = await runProgram({ ...sh('cat; echo problem >&2; exit 3'), input: 'text' })
  assert.deepEqual(result, { status: 3, stdout: 'text', stderr: 'problem\n' })
})

test('runProgram() reports a program that does not exist by an undefined status', async () => {
  assert.equal((await runProgram({ program: 'no-such-program', args: [] })).status, undefined)
})

test('runProgram() passes only the given environment', async () => {
  const { stdout } = await runProgram({ ...sh('env'), env: { GIVEN: 'yes' } })
  const names = stdout.split('\n').map((line) => line.split('=')[0])
  assert.ok(names.includes('GIVEN') && names.includes('PATH'))
  assert.ok(!names.includes('HOME'))
})

test('runProgram() kills a program at its deadline, a grandchild that holds the pipes notwithstanding', async () => {
  const { status, stderr } = await runProgram({ ...sh('sleep 5 & sleep 5'), deadlineMs: 50 })
  assert.deepEqual([status, stderr], [1, 'did not end within 0.05 s'])
})

test('runProgram() rejects with the reason of its signal', async () => {
  const abort = new AbortController()
  const running = runProgram({ ...sh('sleep 60'), signal: abort.signal })
  abort.abort(new Error('stopped'))
  await assert.rejects(running, /^Error: stopped$/)
  await assert.rejects(runProgram({ ...sh('true'), signal: abort.signal }), /^Error: stopped$/)
})

test('runProgram() keeps a bounded part of the output', async () => {
  const { stdout, status } = await runProgram({ ...sh('head -c 100000 /dev/zero | tr "\\0" x'), maxOutputBytes: 10 })
  assert.deepEqual([status, stdout], [0, 'xxxxxxxxxx'])
})

test('runProgram() is not disturbed by a program that does not read its input', async () => {
  assert.equal((await runProgram({ ...sh('exit 2'), input: 'x'.repeat(1_000_000) })).status, 2)
})

test('runProgram() rejects, and ends nothing else, in a process without file descriptors', () => {
  const url = JSON.stringify(import.meta.resolve('./run-program.ts'))
  const program = `
    import { openSync } from 'node:fs'
    const { runProgram } = await import(${url})
    const held = []
    try { for (;;) held.push(openSync('/dev/null')) } catch {}
    try { await runProgram({ program: 'true', args: [] }) } catch (error) { process.stdout.write(error.code) }`
  const node = `ulimit -n 64; exec "$0" --input-type=module -e "$1"`
  const { stdout, status } = spawnSync('sh', ['-c', node, process.execPath, program], { encoding: 'utf8' })
  assert.deepEqual([stdout, status], ['EMFILE', 0])
})
