import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { type TestContext, test } from 'node:test'
import { resources } from '#kubernetes/client'
import { createLabAzure, findLocalAzure, labHome, readCredentials } from '#lab/home'
import { listOf, recordOf, valueAt } from '#lib/formats'
import { callSocket } from '#lib/http'
import { createEventTopic } from '../../support/event-topic.ts'
import { eventually } from '../../support/eventually.ts'
import { kubeClientOf } from '../../support/kube-client-of.ts'
import type { UpSummary } from './lab-in-temporary-home.ts'
import { kubectlWith } from './lab-tools.ts'
import { exampleSkip as skip, startLabWithExample } from './lab-with-example.ts'

const operator = { namespace: 'kube-system', name: 'keymount-operator' }

test('up --events pushes a change to the pod, which is polled once an hour; events status shows it', {
  skip,
}, async (t) => {
  const { home, lab, printed, az, read } = await startLabWithExample(t, '--events', '--rotation-poll-interval', '1h')
  assert.match(printed, /Events .* changes in 1 vault reach the pods at once/)

  await az('keyvault secret set --vault-name keymount-example --name ExampleSecret --value pushed')
  await eventually(async () => assert.equal(await read(), 'pushed'))
  const status = await home.keymount('events', 'status', '--kubeconfig', lab.kubeconfig)
  assert.equal(status.code, 0, `${status.stdout}${status.stderr}`)
  assert.match(status.stdout, /✓ queue: answers/)
  assert.match(status.stdout, /last event: 20\d\d-/)
  assert.match(
    status.stdout,
    /default\/azure-kvname-wi: .* ago, https:\/\/keymount-example\.vault\.azure\.net\/secrets\/ExampleSecret/,
  )

  // A vault that comes later is subscribed to by another "up --events".
  await az('keyvault create --name keymount-second --resource-group keymount-example --location westeurope')
  const again = await home.keymount('up', '--events')
  assert.match(again.stderr, /Events .* changes in 2 vaults reach the pods at once/)
})

test('events status shows a namespace topic that has not answered yet, one that answers, and one that refuses, with the reason until it is over', {
  skip,
}, async (t) => {
  const { home, lab, az, read } = await startLabWithExample(t, '--events', '--rotation-poll-interval', '1h')
  const status = () => home.keymount('events', 'status', '--kubeconfig', lab.kubeconfig)
  const kubectl = kubectlWith(lab.kubeconfig, home.path)
  const url = await receiveFromTopic(t, lab)
  await kubectl('rollout', 'status', '-n', operator.namespace, `deployment/${operator.name}`, '--timeout=60s')
  await eventually(async () => {
    const { code, stdout } = await status()
    if (code !== 0) assert.match(stdout, /^! namespace topic: has not answered yet; without an event, .* after 10 s$/m)
    assert.equal(code, 0)
  })
  await az('keyvault secret set --vault-name keymount-example --name ExampleSecret --value pushed')
  await eventually(async () => assert.equal(await read(), 'pushed'))
  const { stdout } = await status()
  assert.match(stdout, /^✓ namespace topic: answers\n {2}last event: 20\d\d-/m)
  assert.match(stdout, /default\/azure-kvname-wi: .* ago, https:.*\/ExampleSecret\//)

  const control = findLocalAzure(labHome(home.path))?.control ?? ''
  const path = `/faults/${new URL(url).host}`
  await callSocket(control, { method: 'PUT', path, body: { kind: 'error' } })
  await eventually(async () => {
    const { code, stdout } = await status()
    assert.equal(code, 1)
    assert.match(stdout, /^! namespace topic: does not answer$/m)
    assert.match(stdout, /^! 20\S+ EventsUnavailable: namespace topic [^:]*\/eventsubscriptions\/cluster: /m)
  })
  await callSocket(control, { method: 'DELETE', path })
  await eventually(async () => {
    const { code, stdout } = await status()
    assert.equal(code, 0)
    assert.match(stdout, /^ {2}20\S+ EventsUnavailable: .* \(over: it answers again\)$/m)
  })
})

/** The operator of the lab receives from a topic, as the value events.namespaceTopic of the chart makes it. @returns its event subscription. */
async function receiveFromTopic(t: TestContext, { azure: { proxy, ca, credentials }, kubeconfig }: UpSummary) {
  const labAzure = createLabAzure({
    credentials: readCredentials(credentials),
    proxy,
    ca: readFileSync(ca, 'utf8'),
    resourceGroup: operator.name,
  })
  t.after(() => labAzure.stop())
  const { principalId } = await labAzure.createIdentity(operator.name)
  const url = await createEventTopic(labAzure, 'keymount-example', principalId)
  const kube = kubeClientOf(t, kubeconfig)
  const deployment = await kube.get(resources.deployments, operator)
  const containers = (listOf(valueAt(deployment, 'spec', 'template', 'spec', 'containers')) ?? []).map((container) => {
    const { args, ...rest } = recordOf(container) ?? {}
    const others = (listOf(args) ?? []).filter((word) => !String(word).startsWith('--events-queue='))
    return { ...rest, args: [...others, `--events-namespace-topic=${url}`] }
  })
  await kube.patch(resources.deployments, operator, { spec: { template: { spec: { containers } } } })
  return url
}
