import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { temporaryDirectory } from '../../../../test/support/temporary-directory.ts'
import { volumeDriver } from './volume-driver.ts'

/** As kubelet 1.34 writes it. */
const written = JSON.stringify({
  attachmentID: 'csi-dc9a',
  driverName: 'secrets-store.csi.k8s.io',
  nodeName: 'node1',
  specVolID: 'secrets',
  volumeHandle: 'csi-5d0f',
  volumeLifecycleMode: 'Ephemeral',
})

function volume(t: TestContext) {
  const directory = temporaryDirectory(t)
  return {
    target: join(directory, 'mount'),
    write: (text: string) => writeFileSync(join(directory, 'vol_data.json'), text),
  }
}

test('volumeDriver() reads the name that kubelet wrote', async (t) => {
  const { target, write } = volume(t)
  write(written)
  assert.equal(await volumeDriver(target), 'secrets-store.csi.k8s.io')
})

test('volumeDriver() reads again what kubelet is just writing', async (t) => {
  const { target, write } = volume(t)
  write(written.slice(0, 30))
  const reading = volumeDriver(target)
  setImmediate(() => write(written))
  assert.equal(await reading, 'secrets-store.csi.k8s.io')
})

test('volumeDriver() knows nothing where there is no such file, nothing readable, or no name', async (t) => {
  const { target, write } = volume(t)
  assert.equal(await volumeDriver(target), undefined)
  for (const text of ['', '[]', 'null', '{"driverName": 7}']) {
    write(text)
    assert.equal(await volumeDriver(target), undefined)
  }
})
