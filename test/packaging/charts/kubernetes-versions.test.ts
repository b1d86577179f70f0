/** docs/compatibility.md promises that the chart renders for these versions with stable APIs only. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { test } from 'node:test'
import { type Manifest, needsHelm, template } from './helm.ts'

const root = resolve(import.meta.dirname, '../../..')
const versions = ['1.30.0', '1.31.0', '1.32.0', '1.33.0', '1.34.0', '1.35.0', '1.36.0', '1.37.0']

const everything = {
  syncSecret: { enabled: true },
  webhook: {
    enabled: true,
    azureTenantID: '11111111-1111-4111-8111-111111111111',
    networkPolicy: { enabled: true, apiServerCIDRs: ['10.0.0.4/32'] },
  },
  sync: { enabled: true },
  restart: { enabled: true },
  podIdentity: { enabled: true },
  uninstallCheck: { enabled: true },
  networkPolicy: { enabled: true },
  metrics: { podMonitor: { enabled: true }, rules: { enabled: true }, dashboards: { enabled: true } },
}
const policies = ['admissionregistration.k8s.io/v1/ValidatingAdmissionPolicy']

for (const kubeVersion of versions) {
  test(`with Kubernetes ${kubeVersion} the whole chart renders, and uses stable APIs only`, needsHelm, async () => {
    const objects = await template(everything, { kubeVersion, apiVersions: policies })
    const groups = new Set(objects.filter(isOurs).map(groupOf))
    const unstable = objects.filter((object) => !groups.has(groupOf(object)) && !isStable(object.apiVersion))
    assert.deepEqual(
      unstable.map(({ apiVersion, kind }) => `${apiVersion} ${kind}`),
      [],
    )
    const kinds = new Set(objects.map(({ kind }) => kind))
    for (const kind of ['DaemonSet', 'Deployment', 'CSIDriver', 'ValidatingAdmissionPolicy', 'NetworkPolicy', 'Job'])
      assert.ok(kinds.has(kind), kind)
  })
}

test('the versions of docs/compatibility.md are those that are rendered here', () => {
  const page = readFileSync(join(root, 'docs/compatibility.md'), 'utf8')
  const [, first, last] = /^\| (\S+) to (\S+) \| none \| the charts render/m.exec(page) ?? []
  assert.deepEqual([first, last], [versions[0], versions.at(-1)])
})

function isOurs({ kind }: Manifest): boolean {
  return kind === 'CustomResourceDefinition'
}

/** The group that a definition defines, or that another object is of. */
function groupOf(object: Manifest): string {
  return isOurs(object) ? (object.spec as { group: string }).group : (object.apiVersion.split('/')[0] ?? '')
}

function isStable(apiVersion: string): boolean {
  return /^(?:[a-z0-9.-]+\/)?v\d+$/.test(apiVersion)
}
