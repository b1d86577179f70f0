import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { test } from 'node:test'
import { renderManifests } from '../../../scripts/render-manifests.ts'
import { needsHelm, parseManifests, template } from './helm.ts'

const directory = resolve(import.meta.dirname, '../../../deploy')
const read = (name: string) => readFileSync(join(directory, name), 'utf8')

/** Not deploy/monitoring, which is for Prometheus. */
const manifestFiles = () => globSync(['*.yaml', 'optional/*.yaml'], { cwd: directory })

test('deploy/ is what the chart renders: `npm run manifests` would change nothing', needsHelm, async () => {
  const rendered = await renderManifests()
  assert.deepEqual(manifestFiles().toSorted(), Object.keys(rendered).toSorted())
  for (const [name, text] of Object.entries(rendered)) assert.equal(read(name), text)
})

const names = (manifests: { kind: string; metadata: { name: string } }[]) =>
  manifests.map(({ kind, metadata }) => `${kind} ${metadata.name}`).toSorted()

test('nothing of the chart is missing in deploy/, with Secret sync and without', needsHelm, async () => {
  const product = parseManifests(read('keymount.yaml'))
  assert.deepEqual(names(product), names(await template()))
  const all = [...product, ...parseManifests(read('optional/secret-sync.yaml'))]
  assert.deepEqual(names(all), names(await template({ syncSecret: { enabled: true } })))
})

test('deploy/ does not mention a Helm release', () => {
  for (const name of manifestFiles()) assert.doesNotMatch(read(name), /helm\.sh|managed-by|instance:|Source:/)
})

test('a label distinguishes the objects that may be deleted from the definitions, with which every class would be deleted', () => {
  const labelled = parseManifests(read('keymount.yaml')).filter(
    ({ metadata }) => metadata.labels?.['app.kubernetes.io/name'] === 'keymount',
  )
  const kinds = new Set(parseManifests(read('keymount.yaml')).map(({ kind }) => kind))
  kinds.delete('CustomResourceDefinition')
  assert.deepEqual(new Set(labelled.map(({ kind }) => kind)), kinds)
})
