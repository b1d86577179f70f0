import assert from 'node:assert/strict'
import { test } from 'node:test'
import { failureText, mountFailureText } from './failure-text.ts'

const start = 'MountVolume.SetUp failed for volume "secrets" : rpc error: code = NotFound desc = '
const mounting = 'failed to mount secrets store objects for pod shop/app-1, err: failed to mount objects, error: '

test('one object that is missing is named as several are', () => {
  const one = 'failed to get objectType:secret, objectName:api-key, objectVersion:: not in vault "shop"'
  const version = 'failed to get objectType:cert, objectName:web, objectVersion:0f3a: not in vault "shop"'
  const several = 'failed to get secret/db-url, secret/db-password: not in vault "shop"'
  const shown = (text: string) => mountFailureText(`${start}${mounting}[vault-object-missing] ${text}`)
  assert.equal(shown(one), 'volume "secrets": [vault-object-missing] failed to get secret/api-key: not in vault "shop"')
  assert.equal(
    shown(version),
    'volume "secrets": [vault-object-missing] failed to get cert/web/0f3a: not in vault "shop"',
  )
  assert.equal(shown(several), `volume "secrets": [vault-object-missing] ${several}`)
  assert.equal(failureText(one), 'failed to get secret/api-key: not in vault "shop"')
})
