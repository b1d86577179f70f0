import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sleep } from '#lib'
import { CliError } from '#terminal'
import { withHomeLock } from './home-lock.ts'
import { labHome } from './lab-home.ts'

test('only one process at a time works on a home; another home does not wait for it', async () => {
  const seen: string[] = []
  const work = (home: string, name: string) =>
    withHomeLock(labHome(home), async () => {
      seen.push(`${name} begins`)
      await sleep(30)
      seen.push(`${name} ends`)
    })
  await Promise.all([work(`/lock-a-${process.pid}`, 'first'), work(`/lock-a-${process.pid}`, 'second')])
  assert.deepEqual(seen, ['first begins', 'first ends', 'second begins', 'second ends'])
  seen.length = 0
  await Promise.all([work(`/lock-a-${process.pid}`, 'one'), work(`/lock-b-${process.pid}`, 'other')])
  assert.deepEqual(seen.slice(0, 2).toSorted(), ['one begins', 'other begins'])
})

test('the error after waiting too long names the process that holds the home', async () => {
  const home = labHome(`/lock-c-${process.pid}`)
  const inner = () => withHomeLock(home, async () => undefined, 100)
  await assert.rejects(withHomeLock(home, inner), (error: unknown) => {
    return error instanceof CliError && error.why?.includes(`process ${process.pid} `) === true
  })
})

test('the lock is free again after work that failed', async () => {
  const home = labHome(`/lock-d-${process.pid}`)
  await assert.rejects(
    withHomeLock(home, async () => {
      throw new Error('failed')
    }),
  )
  assert.equal(await withHomeLock(home, async () => 'done', 1000), 'done')
})
