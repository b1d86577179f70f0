import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Pod } from '#kubernetes/client'
import { type EnvWebhook, envWebhookOf } from '../env-webhook.ts'
import type { PodFacts } from '../pod-facts.ts'
import { judgeEnvAdded } from './judge-env-added.ts'

const use = 'azure.workload.identity/use'
const rules = [{ apiGroups: [''] }]
const webhook = { name: 'mutation.azure-workload-identity.io', clientConfig: { caBundle: 'Q0E=' }, rules }

interface Situation {
  labels?: Record<string, string>
  annotations?: Record<string, string>
  initContainers?: { name: string; image: string }[]
  webhooks?: object[]
  namespaceSelector?: object
  runs?: EnvWebhook
  minor?: string
  installation?: object
}

function judge({
  labels = { [use]: 'true' },
  annotations = { 'keymount.dev/env': 'DB=db' },
  initContainers = [],
  namespaceSelector = {},
  webhooks = [{ ...webhook, namespaceSelector }],
  runs = 'ready',
  minor = '35+',
  installation = { kind: 'helm', release: 'keymount', namespace: 'kube-system' },
}: Situation = {}) {
  const pod = {
    metadata: { namespace: 'shop', name: 'web', labels, annotations },
    spec: { containers: [{ name: 'app', image: 'i' }], initContainers },
  }
  const cluster = {
    pod,
    owner: { kind: 'Deployment', name: 'web', variables: [] },
    configurations: { value: [{ metadata: { name: 'azure-wi' }, webhooks }] },
    namespace: { value: { metadata: { name: 'shop', labels: { team: 'a' } } } },
    installation,
    version: { value: JSON.stringify({ major: '1', minor, gitVersion: `v1.${minor}.2` }) },
  }
  const facts = { cluster, envWebhook: { value: runs } } as unknown as PodFacts
  const [found] = judgeEnvAdded(facts, { packageRoot: '/km', tenantId: 't1' })
  return found === undefined ? undefined : { ...found, fix: found.fix ?? [] }
}

const restart = 'kubectl rollout restart deployment/web --namespace shop'

test('a pod without the annotation, and one that got its variables, have nothing to find', () => {
  assert.equal(judge({ annotations: {} }), undefined)
  assert.equal(judge({ initContainers: [{ name: 'keymount-env', image: 'i' }] }), undefined)
})

test('without a webhook it is installed with the part on, by the way that Keymount was installed', () => {
  const found = judge({ webhooks: [], runs: 'none', labels: {} })
  assert.deepEqual([found?.state, found?.code], ['fail', 'env-not-added'])
  assert.match(found?.text ?? '', /no webhook of Keymount is installed/)
  assert.deepEqual(found?.fix, [
    'helm upgrade keymount /km/charts/keymount --namespace kube-system --reuse-values --set webhook.enabled=true --set webhook.azureTenantID=t1 --set webhook.envFiles.enabled=true',
    restart,
  ])
  const byManifest = judge({ webhooks: [], runs: 'none', installation: { kind: 'other' } })
  assert.match(byManifest?.fix[0] ?? '', /^AZURE_TENANT_ID=t1 envsubst .*workload-identity\.yaml/)
  assert.match(byManifest?.fix[1] ?? '', /^kubectl patch deployment .*--env-files/)
})

test('a webhook with the part off, and that of another product, are recognized by their pods', () => {
  const off = judge({ runs: 'without-env-files' })
  assert.match(off?.text ?? '', /does not add variables \(--env-files\)/)
  assert.deepEqual(off?.fix, [
    'helm upgrade keymount /km/charts/keymount --namespace kube-system --reuse-values --set webhook.envFiles.enabled=true',
    restart,
  ])
  const managed = { kind: 'managed', isLab: false, group: 'g', name: 'c' }
  const foreign = judge({ runs: 'foreign', installation: managed })
  assert.match(foreign?.text ?? '', /not Keymount’s/)
  assert.deepEqual(foreign?.fix, ['keymount explain env-not-added'])
  const pods = (...args: string[][]) => args.map((one) => ({ spec: { containers: [{ args: one }] } })) as Pod[]
  assert.equal(envWebhookOf([]), 'none')
  assert.equal(envWebhookOf(pods(['--log-level=info'])), 'foreign')
  assert.equal(envWebhookOf(pods(['controller', '--audience=x'])), 'without-env-files')
  assert.equal(envWebhookOf(pods(['controller'], ['controller', '--env-files'])), 'ready')
})

test('a namespace without the label of the webhook gets it, before the pod is created again', () => {
  const found = judge({ namespaceSelector: { matchLabels: { keymount: 'on' } } })
  assert.match(found?.text ?? '', /does not apply to namespace shop/)
  assert.deepEqual(found?.fix, ['kubectl label namespace shop --overwrite keymount=on', restart])
  const excluded = judge({ namespaceSelector: { matchExpressions: [{ key: 'team', operator: 'DoesNotExist' }] } })
  assert.equal(excluded?.fix[0], 'kubectl label namespace shop --overwrite team-')
  const byName = { matchLabels: { 'kubernetes.io/metadata.name': 'other' } }
  assert.match(judge({ namespaceSelector: byName })?.fix[0] ?? '', /^kubectl get mutatingwebhookconfiguration/)
})

test('a pod without the label of the webhook gets it, and an older one is created again', () => {
  const found = judge({ labels: {} })
  assert.match(found?.text ?? '', /azure\.workload\.identity\/use is missing/)
  assert.match(found?.fix[0] ?? '', /^kubectl patch deployment web --namespace shop .*azure\.workload\.identity\/use/)
  const older = judge()
  assert.match(older?.text ?? '', /no webhook when it was created/)
  assert.deepEqual(older?.fix, [restart])
})

test('an API server that is too old comes first: such a pod would be refused when it is created again', () => {
  const found = judge({ webhooks: [], labels: {}, minor: '34' })
  assert.match(found?.text ?? '', /the API server is v1\.34\.2, and they need Kubernetes 1\.35 or newer/)
  assert.deepEqual(found?.fix, ['kubectl version'])
})
