import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { SecretProviderClass } from '#kubernetes/client'
import type { TlsValues } from '#kubernetes/secret-data'
import { SecretValue } from '#lib'
import { secretData } from './secret-data.ts'
import { wantedByClass } from './wanted.ts'

const tls = {} as TlsValues

function classOf(rows: readonly { objectName: string; key: string }[], parameters: Record<string, string>) {
  const entry = (secretName: string) => ({ secretName, type: 'Opaque', data: [...rows] })
  const metadata = { name: 'app', namespace: 'shop', annotations: { 'keymount.dev/sync-service-account': 'sync' } }
  const secretClass: SecretProviderClass = {
    apiVersion: 'secrets-store.csi.x-k8s.io/v1',
    kind: 'SecretProviderClass',
    metadata,
    spec: { provider: 'azure', parameters, secretObjects: [entry('one'), entry('two')] },
  }
  return secretClass
}

function dataOf(secretClass: SecretProviderClass, files: ReadonlyMap<string, SecretValue>) {
  const wanted = wantedByClass(secretClass, 'one')
  assert.ok(wanted !== undefined)
  return secretData(wanted.sync, secretClass, files, tls, { fromClass: true, signal: new AbortController().signal })
}

test('entries for every file that have more keys together than a class may have make no Secret', async () => {
  const paths = Array.from({ length: 40 }, (_, index) => `f${index}`)
  const files = new Map(paths.map((path) => [path, SecretValue.of(Buffer.from('x'))]))
  const rows = (count: number) =>
    Array.from({ length: count }, (_, index) => ({ objectName: '*', key: `k${index}-{file}` }))
  const { data } = await dataOf(classOf(rows(12), { syncAll: 'true' }), files)
  assert.equal(data.size, 480)
  await assert.rejects(dataOf(classOf(rows(13), { syncAll: 'true' }), files), {
    message: /^spec\.secretObjects: .*found 1,040, at most 1,000 are accepted \[secret-too-many-keys\]$/,
  })
})

test('the class is parsed once for all keys whose files are missing', async () => {
  let reads = 0
  const parameters = {
    get objects() {
      reads++
      return '- { select: { all: true }, optional: true }'
    },
  }
  const rows = Array.from({ length: 50 }, (_, index) => ({ objectName: `f${index}`, key: `k${index}` }))
  const present = new Map([['f0', SecretValue.of(Buffer.from('x'))]])
  const { absent } = await dataOf(classOf(rows, parameters), present)
  assert.equal(absent.length, 49)
  assert.equal(reads, 1)
})
