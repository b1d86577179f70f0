import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Container, Pod, ServiceAccount } from '#kubernetes/client'
import { checkPod, type PodFacts } from './check-pod.ts'
import { checkServiceAccount } from './check-service-account.ts'
import { checkWebhook, matches, type WebhookConfiguration } from './check-webhook.ts'
import type { Finding } from './finding.ts'

const clientId = '11111111-2222-3333-4444-555555555555'
const ref = { namespace: 'shop', name: 'orders' }

const account: ServiceAccount = {
  apiVersion: 'v1',
  kind: 'ServiceAccount',
  metadata: { ...ref, annotations: { 'azure.workload.identity/client-id': clientId } },
}

const env = [
  { name: 'AZURE_CLIENT_ID', value: clientId },
  { name: 'AZURE_FEDERATED_TOKEN_FILE', value: '/var/run/secrets/azure/wi/token/azure-identity-token' },
]

/** A pod as the webhook leaves it. */
function podOf(change: { labels?: Record<string, string>; containers?: Container[]; audience?: string } = {}): Pod {
  const { labels = { 'azure.workload.identity/use': 'true' }, containers = [{ name: 'main', env }] } = change
  const { audience = 'api://AzureADTokenExchange' } = change
  const sources = [{ serviceAccountToken: { audience, path: 'token/azure-identity-token' } }]
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { namespace: 'shop', name: 'orders-1', labels },
    spec: { containers, volumes: [{ name: 'azure-workload-identity-reserved-x', projected: { sources } }] },
  }
}

const deployment = { kind: 'Deployment', name: 'orders', variables: [] }

function check(pod: Pod, change: Partial<PodFacts> = {}): Finding[] {
  return checkPod({ pod, account: { value: account }, owner: deployment, ...change })
}

const problems = (findings: readonly Finding[]) => findings.filter(({ status }) => status === 'problem')

test('a pod that the webhook has changed is right', () => {
  assert.deepEqual(
    check(podOf()).map((one) => `${one.check} ${one.status}`),
    ['label ok', 'token ok', 'audience ok'],
  )
})

test('a missing label is added where the pod comes from', () => {
  const bare: Container[] = [{ name: 'main' }]
  const [label] = problems(check(podOf({ labels: {}, containers: bare })))
  assert.match(label?.text ?? '', /is missing.*\(on the service account it has no effect\)/)
  assert.equal(
    label?.fix?.[0],
    `kubectl patch deployment orders --namespace shop --type merge --patch '{"spec":{"template":{"metadata":{"labels":{"azure.workload.identity/use":"true"}}}}}'`,
  )
  const cron = check(podOf({ labels: {}, containers: bare }), {
    owner: { kind: 'CronJob', name: 'nightly', variables: [] },
  })
  assert.match(problems(cron)[0]?.fix?.[0] ?? '', /^kubectl patch cronjob nightly .*"jobTemplate"/)
  const alone = check(podOf({ labels: {}, containers: bare }), { owner: undefined })
  assert.match(
    problems(alone)[0]?.fix?.join('\n') ?? '',
    /^kubectl get pod orders-1 .*\| kubectl label --local .*\| kubectl replace --force/,
  )
})

test('a labelled pod without a token was made before the webhook', () => {
  const [found] = problems(check(podOf({ containers: [{ name: 'main' }] })))
  assert.match(found?.text ?? '', /there was no webhook when it was created/)
  assert.deepEqual(found?.fix, ['kubectl rollout restart deployment/orders --namespace shop'])
})

test('a service account that was annotated later does not reach the pod', () => {
  const other = { name: 'AZURE_CLIENT_ID', value: '99999999-2222-3333-4444-555555555555' }
  const [found] = problems(check(podOf({ containers: [{ name: 'main', env: [other, ...env.slice(1)] }] })))
  assert.match(
    found?.text ?? '',
    /AZURE_CLIENT_ID 99999999-\S+, the service account has 11111111-.*annotated after the pod was created/,
  )
  assert.deepEqual(found?.fix, ['kubectl rollout restart deployment/orders --namespace shop'])
})

test('a client id that the pod sets itself is its own choice', () => {
  const other = { name: 'AZURE_CLIENT_ID', value: '99999999-2222-3333-4444-555555555555' }
  const pod = podOf({ containers: [{ name: 'main', env: [other, ...env.slice(1)] }] })
  for (const owner of [
    { ...deployment, variables: ['AZURE_CLIENT_ID'] },
    { ...deployment, variables: undefined },
    undefined,
  ]) {
    assert.deepEqual(problems(check(pod, { owner })), [])
  }
})

test('containers without the token, and another audience, are worth knowing', () => {
  const containers = [{ name: 'main', env }, { name: 'side' }]
  const findings = check(podOf({ containers, audience: 'api://AKSIdentityBinding' }))
  assert.deepEqual(problems(findings), [])
  assert.match(findings.find((one) => one.check === 'token')?.text ?? '', /is in main, not in side/)
  assert.match(findings.find((one) => one.check === 'audience')?.text ?? '', /identity binding only/)
})

test('files of a class need neither label nor token, however the class signs in', () => {
  const pod = podOf({ labels: {}, containers: [{ name: 'main' }] })
  const csi = { driver: 'secrets-store.csi.k8s.io', volumeAttributes: { secretProviderClass: 'orders' } }
  const findings = check({ ...pod, spec: { ...pod.spec, volumes: [{ name: 'secrets', csi }] } })
  assert.deepEqual(
    findings.map(({ status }) => status),
    ['note'],
  )
})

test('service accounts: missing, not annotated, annotated with something else, labelled without effect', () => {
  const annotated = (annotations: Record<string, string>, labels: Record<string, string> = {}) =>
    checkServiceAccount(ref, { value: { ...account, metadata: { ...ref, annotations, labels } } }, true)
  assert.match(checkServiceAccount(ref, { value: undefined }, false)[0]?.text ?? '', /shop\/orders does not exist/)
  assert.match(problems(annotated({}))[0]?.fix?.[0] ?? '', /azure.workload.identity\/client-id=CLIENT_ID$/)
  const bare = { value: { ...account, metadata: ref } }
  assert.equal(checkServiceAccount(ref, bare, false)[0]?.status, 'note', 'the pod has its client id elsewhere')
  assert.match(problems(annotated({ 'azure.workload.identity/client-id': 'orders' }))[0]?.text ?? '', /expected a UUID/)
  const labelled = annotated(
    { 'azure.workload.identity/client-id': clientId },
    { 'azure.workload.identity/use': 'true' },
  )
  assert.deepEqual(
    labelled.map(({ status }) => status),
    ['ok', 'note'],
  )
  assert.equal(checkServiceAccount(ref, { why: 'no right' }, false)[0]?.status, 'unknown')
})

const webhook = {
  name: 'mutation.azure-workload-identity.io',
  clientConfig: { caBundle: 'x', service: { namespace: 'wi', name: 'webhook' } },
  rules: [{ operations: ['CREATE'], resources: ['pods'] }],
}

function configuration(change: object = {}): WebhookConfiguration {
  return {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'MutatingWebhookConfiguration',
    metadata: { name: 'azure-wi' },
    webhooks: [{ ...webhook, ...change }],
  }
}

function checkHook(configurations: WebhookConfiguration[], { namespace = 'shop', labels = {} } = {}): Finding {
  const pod = podOf()
  const namespaceObject = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace, labels } }
  return checkWebhook({
    pod: { ...pod, metadata: { ...pod.metadata, namespace } },
    configurations: { value: configurations },
    namespace: { value: namespaceObject },
    installCommand: 'helm upgrade keymount',
  })
}

test('webhooks: there, missing, without a certificate, leaving out the namespace', () => {
  assert.equal(checkHook([configuration()]).status, 'ok')
  assert.match(checkHook([]).text, /no webhook for workload identity is installed/)
  assert.deepEqual(checkHook([]).fix, ['helm upgrade keymount'])
  assert.match(checkHook([configuration({ clientConfig: { caBundle: '' } })]).text, /has no caBundle yet/)
  assert.match(checkHook([configuration({ rules: undefined })]).text, /has no rules yet/)
  const only = { namespaceSelector: { matchLabels: { team: 'a' } } }
  assert.match(checkHook([configuration(only)]).text, /does not apply to namespace shop/)
  assert.equal(checkHook([configuration(only)], { labels: { team: 'a' } }).status, 'ok')
  const inSystem = checkHook([configuration()], { namespace: 'kube-system' })
  assert.match(inSystem.fix?.[0] ?? '', /admissions.enforcer\/disabled=true/)
})

test('label selectors are read as the API server reads them', () => {
  const expression = (operator: string, values?: string[]) => ({
    matchExpressions: [{ key: 'a', operator, ...(values === undefined ? {} : { values }) }],
  })
  assert.ok(matches(undefined, {}))
  assert.ok(matches(expression('In', ['1']), { a: '1' }))
  assert.ok(!matches(expression('In', ['1']), {}))
  assert.ok(matches(expression('NotIn', ['1']), {}))
  assert.ok(!matches(expression('NotIn', ['1']), { a: '1' }))
  assert.ok(matches(expression('Exists'), { a: '' }))
  assert.ok(!matches(expression('DoesNotExist'), { a: '' }))
})
