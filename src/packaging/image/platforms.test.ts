import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { test } from 'node:test'
import { platformNamed, platformOfMachine, platforms } from './platforms.ts'

test('the row of this machine is the one whose processor Node reports', () => {
  assert.deepEqual([platformOfMachine().os, platformOfMachine().cpu], [process.platform, process.arch])
})

test('every row takes Node from a package that the lock file has, for the same processor', () => {
  const { packages } = JSON.parse(readFileSync(resolve(import.meta.dirname, '../../../package-lock.json'), 'utf8')) as {
    packages: Record<string, { version: string; cpu: string } | undefined>
  }
  const locked = Object.values(platforms).map(({ nodePackage }) => packages[`node_modules/${nodePackage.name}`])
  assert.deepEqual(
    locked.map((each) => each?.cpu),
    Object.values(platforms).map(({ cpu }) => cpu),
  )
  assert.equal(new Set(locked.map((each) => each?.version)).size, 1)
})

test('platformNamed() names the platforms that there are', () => {
  assert.equal(platformNamed('linux/arm64').architecture, 'arm64')
  assert.throws(() => platformNamed('linux/s390x'), {
    code: 'ImagePlatformUnknown',
    message: 'The image has no platform "linux/s390x"; it is built for linux/amd64, linux/arm64, windows/amd64',
  })
})
