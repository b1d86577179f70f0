import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sleep } from '#lib'
import { temporaryHome } from './lab-in-temporary-home.ts'

test('status reports a program that was killed, and up restarts it', async (t) => {
  const home = await temporaryHome(t)
  await home.up()
  for (const name of ['local-cluster', 'local-azure']) {
    await t.test(`kill -9 of ${name}`, async () => {
      const before = await home.status()
      const pid = before.processes.find((process) => process.name === name)?.pid
      assert.ok(typeof pid === 'number')
      process.kill(pid, 'SIGKILL')
      await ended(pid)
      const { code, stdout } = await home.keymount('status')
      assert.equal(code, 1)
      assert.match(stdout, new RegExp(`✗ ${name} +not running`))
      assert.match(stdout, /keymount up/)
      assert.deepEqual((await home.up()).started, [name])
      assert.equal((await home.status()).state, 'up')
    })
  }
})

test('down after a kill -9 of everything leaves no process and no mount', async (t) => {
  const home = await temporaryHome(t)
  await home.up()
  const { processes } = await home.status()
  for (const { pid } of processes) process.kill(pid ?? 0, 'SIGKILL')
  const { code } = await home.keymount('down')
  assert.equal(code, 0)
  assert.equal((await home.status()).state, 'down')
})

async function ended(pid: number): Promise<void> {
  for (;;) {
    try {
      process.kill(pid, 0)
    } catch {
      return
    }
    await sleep(10)
  }
}
