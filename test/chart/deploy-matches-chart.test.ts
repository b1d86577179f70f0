import assert from 'node:assert/strict'
import { globSync, readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { test } from 'node:test'
import { providerConfig } from '../../src/bin/provider-config.ts'
import { driverConfig } from '../../src/driver/index.ts'
import { chartDirectory, type Manifest, needsHelm, parseManifests, template } from './helm.ts'

const deploy = resolve(import.meta.dirname, '../../deploy')

const applied = globSync('*.yaml', { cwd: deploy }).flatMap((name) =>
  parseManifests(readFileSync(join(deploy, name), 'utf8')),
)

/** What Helm tells of a release on its objects; `kubectl apply` has nothing to tell there. */
const ofTheRelease = (name: string) =>
  name.startsWith('helm.sh/') || /^app\.kubernetes\.io\/(instance|version|managed-by)$/.test(name)

const withoutRelease = (map: Record<string, string> = {}) =>
  Object.fromEntries(Object.entries(map).filter(([name]) => !ofTheRelease(name)))

/** An object so that two ways of writing the same thing are equal: flags as the daemon reads them, nothing of the release. */
function comparable(object: Manifest): Manifest {
  const { labels, annotations, ...metadata } = object.metadata
  const same = {
    ...structuredClone(object),
    metadata: { ...metadata, labels: withoutRelease(labels), annotations: withoutRelease(annotations) },
  }
  if (object.kind === 'DaemonSet') readFlags(same)
  return same
}

function readFlags(daemonSet: Manifest): void {
  const { template } = daemonSet['spec'] as { template: { spec: { containers: { args: unknown }[] } } }
  for (const container of template.spec.containers) {
    const [daemon, ...flags] = container.args as string[]
    container.args = daemon === 'driver' ? driverConfig(flags) : providerConfig(flags, {})
  }
}

const keyOf = ({ apiVersion, kind, metadata }: Manifest) =>
  `${apiVersion} ${kind} ${metadata.namespace ?? ''}/${metadata.name}`

const byKey = (objects: Manifest[]) => new Map(objects.map((object) => [keyOf(object), comparable(object)]))

let rendering: Promise<Map<string, Manifest>> | undefined
/** The chart with its defaults, rendered once. */
function rendered() {
  rendering ??= template().then(byKey)
  return rendering
}

test('the chart with its defaults installs the objects of deploy/, by the same names', needsHelm, async () => {
  assert.deepEqual([...(await rendered()).keys()].toSorted(), [...byKey(applied).keys()].toSorted())
})

for (const [key, expected] of byKey(applied)) {
  test(`the chart says the same as deploy/ of ${key}`, needsHelm, async () => {
    assert.deepEqual((await rendered()).get(key), expected)
  })
}

test('the CustomResourceDefinitions of the chart are those of deploy/', () => {
  const directory = join(chartDirectory, 'files/crds')
  const ofChart = readdirSync(directory).flatMap((name) => parseManifests(readFileSync(join(directory, name), 'utf8')))
  const ofDeploy = applied.filter(({ kind }) => kind === 'CustomResourceDefinition')
  assert.deepEqual(byKey(ofChart), byKey(ofDeploy))
})
