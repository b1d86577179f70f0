/** The annotations that Artifact Hub shows, compared with what the chart installs. https://artifacthub.io/docs/topics/annotations/helm/ */
import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { parse } from 'yaml'
import { z } from 'zod'
import { resources } from '#kubernetes/client'
import { customResourceDefinitions, secretSyncDefinition } from '../../support/custom-resources.ts'
import { kubeClientOf } from '../../support/kube-client-of.ts'
import { startLocalCluster } from '../../support/local-cluster.ts'
import { chartDirectory, daemonSets, type Manifest, needsHelm, template } from './helm.ts'

const { annotations } = parse(readFileSync(join(chartDirectory, 'Chart.yaml'), 'utf8')) as {
  annotations: Record<string, string>
}
const annotation = (name: string): unknown => parse(annotations[`artifacthub.io/${name}`] ?? '')
const text = z.string().min(1)
const url = z.url({ protocol: /^https$/ })
const links = z.array(z.strictObject({ name: text, url }))

test('the annotations have the shapes that Artifact Hub reads', () => {
  z.array(z.strictObject({ name: text, image: text, platforms: z.array(text) })).parse(annotation('images'))
  links.parse(annotation('links'))
  const kind = z.enum(['added', 'changed', 'deprecated', 'removed', 'fixed', 'security'])
  z.array(z.strictObject({ kind, description: text, links: links.optional() }))
    .min(1)
    .parse(annotation('changes'))
  for (const name of ['operator', 'prerelease', 'containsSecurityUpdates'])
    assert.match(annotations[`artifacthub.io/${name}`] ?? '', /^(true|false)$/)
})

test('the image of the annotations is the one that the chart installs', needsHelm, async () => {
  const [image] = annotation('images') as { image: string }[]
  const installed = new Set(daemonSets(await template()).map(({ container }) => container.image))
  assert.deepEqual([...installed], [image?.image])
})

test('the definitions of the annotations are those of the chart', () => {
  const definitions = globSync('files/*crds/*.yaml', { cwd: chartDirectory }).map((path) => {
    const { metadata, spec } = parse(readFileSync(join(chartDirectory, path), 'utf8')) as Definition
    return { name: metadata.name, kind: spec.names.kind, versions: spec.versions.map(({ name }) => name) }
  })
  const listed = annotation('crds') as { kind: string; version: string; name: string }[]
  assert.deepEqual(listed.map(({ name }) => name).toSorted(), definitions.map(({ name }) => name).toSorted())
  for (const { name, kind, version } of listed) {
    const definition = definitions.find((one) => one.name === name)
    assert.equal(definition?.kind, kind)
    assert.ok(definition.versions.includes(version), `${name} ${version}`)
  }
})

interface Definition {
  metadata: { name: string }
  spec: { names: { kind: string }; versions: { name: string }[] }
}

test('an API server accepts the examples of the annotations', async (t) => {
  const cluster = await startLocalCluster(t, { node: false })
  const kube = kubeClientOf(t, cluster.kubeconfig)
  for (const definition of [...customResourceDefinitions, secretSyncDefinition])
    await kube.create(resources.customResourceDefinitions, definition)
  const examples = annotation('crdsExamples') as Manifest[]
  assert.deepEqual(
    examples.map(({ kind }) => kind),
    ['SecretProviderClass', 'SecretSync'],
  )
  for (const example of examples) {
    const object = { ...example, metadata: { ...example.metadata, namespace: 'default' } }
    if (example.kind === 'SecretSync') await kube.create(resources.secretSyncs, object as never)
    else await kube.create(resources.secretProviderClasses, object as never)
  }
})
