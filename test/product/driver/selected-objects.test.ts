import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { resources } from '#kubernetes/client'
import { emptyVolume, type MountResponse } from '#kubernetes/provider-protocol'
import { startDriver, startRotatingDriver, type TestDriver } from '../../support/driver.ts'
import { eventually } from '../../support/eventually.ts'

const minute = 60_000
const everyFile = [{ secretName: 'all', type: 'Opaque', data: [{ objectName: '*', key: 'app_{file}' }] }]

const answerOf = (names: readonly string[]): MountResponse => ({
  objectVersion: names.length === 0 ? [emptyVolume] : names.map((name) => ({ id: `secret/${name}`, version: 'v1' })),
  error: undefined,
  files: names.map((path) => ({ path, mode: 0o644, contents: Buffer.from(`of ${path}`) })),
})

const filesOf = (target: string) => readdirSync(target).filter((name) => !name.startsWith('..'))

async function dataOf({ kube }: TestDriver, name: string): Promise<Record<string, string>> {
  const { data = {} } = await kube.get(resources.secrets, { name, namespace: 'default' })
  return Object.fromEntries(Object.entries(data).map(([key, text]) => [key, Buffer.from(text, 'base64').toString()]))
}

test('files that come, go, and the last one are in one switch of the volume; one that comes back is there again', async (t) => {
  const { driver, clock } = await startRotatingDriver(t)
  const pod = await driver.pod({ name: 'web' })
  for (const [index, names] of [['a', 'b'], ['b', 'c'], [], ['c']].entries()) {
    driver.provider.answer = () => answerOf(names)
    if (index === 0) await driver.publish(pod.request)
    else await clock.advance(2 * minute)
    await eventually(() => assert.deepEqual(filesOf(pod.targetPath), names))
    for (const name of names) assert.equal(readFileSync(join(pod.targetPath, name), 'utf8'), `of ${name}`)
    const versions = answerOf(names).objectVersion
    await eventually(async () => assert.deepEqual((await driver.statuses())[0]?.status?.objects, versions))
  }
})

test('a pod starts with a volume that a select left empty', async (t) => {
  const driver = await startDriver(t)
  driver.provider.answer = () => answerOf([])
  const pod = await driver.mountedPod({ name: 'web' })
  assert.deepEqual(filesOf(pod.targetPath), [])
})

test('with syncAll, a Secret has a key for every file, and follows files that come and go', async (t) => {
  const { driver, clock } = await startRotatingDriver(t)
  driver.provider.answer = () => answerOf(['a', 'folder/b'])
  await driver.mountedPod({ name: 'web', parameters: { syncAll: 'true' }, secretObjects: everyFile })
  assert.deepEqual(await dataOf(driver, 'all'), { app_a: 'of a', 'app_folder.b': 'of folder/b' })
  driver.provider.answer = () => answerOf(['folder/b', 'c'])
  await clock.advance(2 * minute)
  await eventually(async () => {
    await clock.advance(100)
    assert.deepEqual(await dataOf(driver, 'all'), { app_c: 'of c', 'app_folder.b': 'of folder/b' })
  })
})

test('without syncAll, "*" is the name of a file that is not there', async (t) => {
  const driver = await startDriver(t)
  await driver.mountedPod({ name: 'web', secretObjects: everyFile })
  const [event] = (await driver.events()).filter(({ reason }) => reason === 'FailedToCreateSecret')
  assert.match(event?.message ?? '', /"\*" is not a file of the volume/)
})

test('with syncAll, no Secret is written of entries that have more keys together than a class may have', async (t) => {
  const driver = await startDriver(t)
  driver.provider.answer = () => answerOf(Array.from({ length: 40 }, (_, index) => `f${index}`))
  const data = Array.from({ length: 13 }, (_, index) => ({ objectName: '*', key: `k${index}-{file}` }))
  const secretObjects = ['one', 'two'].map((secretName) => ({ secretName, type: 'Opaque', data }))
  await driver.mountedPod({ name: 'web', parameters: { syncAll: 'true' }, secretObjects })
  const [event] = (await driver.events()).filter(({ reason }) => reason === 'FailedToCreateSecret')
  assert.match(event?.message ?? '', /data entries of all secretObjects .* found 1,040, at most 1,000 are accepted/)
  for (const name of ['one', 'two']) await assert.rejects(dataOf(driver, name))
})
