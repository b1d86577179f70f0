import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { type Pod, resources } from '#kubernetes/client'
import { eventually } from '../../support/eventually.ts'
import { temporaryDirectory } from '../../support/temporary-directory.ts'
import { labWithAzSkip as skip, startLabWithAz } from '../lab-with-az.ts'
import { fleetManifests } from './fleets.ts'
import { createVaultWithSecret, kubectlOf, planOfCluster } from './plan-lab.ts'

const count = 45

test('45 pods of one identity mount a secret through its identity binding, after the printed commands; without the ClusterRoleBinding the token proxy refuses', {
  skip,
}, async (t) => {
  // A right that was taken away shows at once.
  const lab = await startLabWithAz(t, '--caching', 'off')
  const { azure, kube, subscriptionId } = lab
  const directory = temporaryDirectory(t)
  await createVaultWithSecret(azure, 'plan-bound')
  const { clientId } = await azure.createIdentity('app-bound')
  const namespaces = ['shop', 'bank', 'blog']
  for (const name of namespaces)
    await kube.create(resources.namespaces, { apiVersion: 'v1', kind: 'Namespace', metadata: { name } })
  const { tenantId } = azure
  const fleet = fleetManifests({ clientId, tenantId, vault: 'plan-bound', accounts: count, namespaces })
  writeFileSync(join(directory, 'fleet.yaml'), fleet)
  const kubectl = kubectlOf(lab.administrator)
  await kubectl('apply', '-f', join(directory, 'fleet.yaml'))

  const aks = `/subscriptions/${subscriptionId}/resourceGroups/keymount/providers/Microsoft.ContainerService/managedClusters/keymount`
  const planned = await planOfCluster(lab.administrator, '--format', 'az')
  assert.equal(planned.code, 0, planned.stderr)
  assert.match(planned.stdout, new RegExp(`^bind km-${clientId.slice(0, 8)} ${subscriptionId} keymount keymount$`, 'm'))
  assert.doesNotMatch(planned.stdout, /^credential /m)
  writeFileSync(join(directory, 'identity.sh'), planned.stdout)
  for (let times = 0; times < 2; times++) {
    const { code, output } = await lab.shell(`bash ${join(directory, 'identity.sh')}`)
    assert.equal(code, 0, output)
  }
  const podsOf = async () =>
    (await kube.list(resources.pods)).items.filter(({ metadata }) => namespaces.includes(metadata.namespace ?? ''))
  const isRunning = ({ status }: Pod) => status?.phase === 'Running'
  await eventually(async () => assert.equal((await podsOf()).filter(isRunning).length, count), 240_000)

  const again = await planOfCluster(lab.administrator)
  assert.equal(again.code, 0, again.stderr)
  assert.match(again.stdout, /45 subjects in 1 cluster: identity bindings/)
  assert.match(again.stdout, /^nothing to do$/m)
  const named = await lab.administrator.identity(
    ...['plan', join(directory, 'fleet.yaml'), '--issuer', lab.issuer, '--aks', aks, '--bindings', 'always'],
    ...['--azure', '--auth-method', 'client_secret', '--format', 'json'],
  )
  // The files still have to change.
  assert.equal((JSON.parse(named.stdout) as { done: boolean }).done, false)

  // One account loses the right; its next pod meets the refusal, and gets the right back.
  const bindings = await kubectl('get', 'clusterrolebindings', '-o', 'json')
  const [lost] = (
    JSON.parse(bindings) as {
      items: { metadata: { name: string }; subjects?: { name: string; namespace: string }[] }[]
    }
  ).items.filter(({ metadata }) => metadata.name.startsWith(`keymount-identity-${clientId}-`))
  const { name = '', namespace = '' } = lost?.subjects?.[0] ?? {}
  await kubectl('delete', 'clusterrolebinding', lost?.metadata.name ?? '')
  const pod = await kubectl('get', 'pod', name, '-n', namespace, '-o', 'json')
  await kubectl('delete', 'pod', name, '-n', namespace)
  const { spec } = JSON.parse(pod) as Pod
  const { nodeName: _, ...unscheduled } = spec as Pod['spec'] & { nodeName?: string }
  await kube.create(resources.pods, {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'late', namespace },
    spec: unscheduled,
  })
  await eventually(async () => {
    const { items } = await kube.list(resources.events, { namespace })
    const messages = items.filter((event) => event.involvedObject.name === 'late').map(({ message }) => message)
    assert.match(
      messages.join('\n'),
      new RegExp(
        `\\[identity-binding-refused\\].*system:serviceaccount:${namespace}:${name} has no right to use-managed-identity`,
      ),
    )
  })
  const back = await planOfCluster(lab.administrator, '--format', 'az')
  writeFileSync(join(directory, 'back.sh'), back.stdout)
  const { code, output } = await lab.shell(`bash ${join(directory, 'back.sh')}`)
  assert.equal(code, 0, output)
  await eventually(
    async () => assert.ok((await podsOf()).some((one) => one.metadata.name === 'late' && isRunning(one))),
    240_000,
  )
})
