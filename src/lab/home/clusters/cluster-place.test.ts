import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { temporaryDirectory } from '../../../../test/support/temporary-directory.ts'
import { type LabHome, labHome } from '../state/lab-home.ts'
import { findNumbered, managedName, newPlace, numberedPlaces, removeUnrecorded, writeRecord } from './cluster-place.ts'

function homeOf(t: TestContext): LabHome {
  const root = temporaryDirectory(t)
  return labHome(root)
}

const id = (name: string) =>
  `/subscriptions/s/resourceGroups/Shop/providers/Microsoft.ContainerService/managedClusters/${name}`

test('newPlace() takes the lowest free number, and clears what a cut-short making left there', (t) => {
  const home = homeOf(t)
  const first = newPlace(home, { id: id('one'), nodeName: 'node-one' })
  const second = newPlace(home, { id: id('two'), nodeName: 'node-two' })
  assert.deepEqual([first.program, second.program], ['aks-1', 'aks-2'])
  rmSync(first.directory, { recursive: true })
  mkdirSync(first.directory)
  writeFileSync(join(first.directory, 'half'), '')
  const third = newPlace(home, { id: id('three'), nodeName: 'node-three' })
  assert.equal(third.program, 'aks-1')
  assert.ok(!existsSync(join(third.directory, 'half')))
  assert.deepEqual(
    numberedPlaces(home).map(({ record }) => managedName(record.id)),
    ['Shop/three', 'Shop/two'],
  )
})

test('directories without a record are removed, and those of clusters stay', (t) => {
  const home = homeOf(t)
  const kept = newPlace(home, { id: id('one'), nodeName: 'node-one' })
  mkdirSync(join(home.root, 'aks-2', 'providers'), { recursive: true })
  removeUnrecorded(home)
  assert.deepEqual(readdirSync(home.root), ['aks-1'])
  assert.deepEqual(numberedPlaces(home), [kept])
})

test('findNumbered() finds a cluster by its id in any casing, with what was last written of it', (t) => {
  const home = homeOf(t)
  const place = newPlace(home, { id: id('one'), nodeName: 'node' })
  writeRecord(place, { ...place.record, port: 16_444 })
  assert.equal(findNumbered(home, id('ONE').toUpperCase())?.record.port, 16_444)
  assert.equal(findNumbered(home, id('other')), undefined)
})

test('a corrupt record is an error that names its file, not a cluster that does not exist', (t) => {
  const home = homeOf(t)
  const { directory } = newPlace(home, { id: id('one'), nodeName: 'node' })
  writeFileSync(join(directory, 'cluster.json'), '{"version":1}')
  assert.throws(() => numberedPlaces(home), /cluster\.json is corrupt/)
})
