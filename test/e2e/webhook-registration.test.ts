import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { type Pod, resources } from '#kubernetes/client'
import { webhookNames } from '#product/webhook'
import { chartDirectory, helm } from '../packaging/charts/helm.ts'
import { until } from '../support/eventually.ts'
import { kubeClientOf } from '../support/kube-client-of.ts'
import { label, needsRealCluster, podOf, tenant } from './webhook-world.ts'

const { KUBECONFIG = '', KEYMOUNT_IMAGE } = process.env
const deployment = 'azure-workload-identity-webhook-controller-manager'

/** When the API server calls the webhook: docs/configuration.md, "When the webhook is called". */
test(
  'a webhook that cannot start blocks no pod, and one that was ready once is waited for',
  needsRealCluster,
  async (t) => {
    const namespace = `e2e-registration-${randomBytes(3).toString('hex')}`
    const kube = kubeClientOf(t, KUBECONFIG)
    const run = (...words: string[]) => promisify(execFile)(helm ?? 'helm', [...words, '-n', namespace])
    await kube.create(resources.namespaces, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } })
    t.after(async () => {
      await run('uninstall', namespace, '--ignore-not-found')
      await kube.delete(resources.namespaces, { name: namespace })
    })
    const metadata = { namespace, name: 'app', annotations: { 'azure.workload.identity/client-id': 'client-of-app' } }
    await kube.create(resources.serviceAccounts, { apiVersion: 'v1', kind: 'ServiceAccount', metadata })

    const [repository = '', tag = ''] = KEYMOUNT_IMAGE?.split(/:(?=[^/]*$)/) ?? []
    const set = (values: Record<string, string>) =>
      Object.entries(values).flatMap(([name, value]) => ['--set', `${name}=${value}`])
    const common = set({
      'driver.install': 'false',
      'provider.install': 'false',
      'webhook.enabled': 'true',
      'webhook.azureTenantID': tenant,
    })
    const good =
      KEYMOUNT_IMAGE === undefined ? [] : set({ 'linux.image.repository': repository, 'linux.image.tag': tag })
    const admit = () => kube.create(resources.pods, podOf(namespace, 'asked', label), { dryRun: true })
    const injected = ({ spec }: Pod) => spec.containers[0]?.env?.some(({ name }) => name === 'AZURE_CLIENT_ID') === true
    const configuration = () => kube.get(resources.mutatingWebhookConfigurations, { name: webhookNames.configuration })
    const rules = async () => ((await configuration()).webhooks as { rules?: object[] }[])[0]?.rules ?? []

    await t.test('an image that cannot start: pods with the label start, without a token', async () => {
      await run(
        'install',
        namespace,
        chartDirectory,
        ...common,
        ...set({ 'linux.image.repository': 'none.invalid/none' }),
      )
      await until('an attempt to start it', async () => {
        const { items } = await kube.list(resources.events, { namespace })
        return items.some(({ reason }) => reason === 'Failed') || undefined
      })
      assert.deepEqual(await rules(), [])
      assert.equal(injected(await admit()), false)
      await assert.rejects(run('test', namespace, '--timeout', '10s'))
    })

    await t.test('once a replica is ready, pods get their token, and helm test succeeds', async () => {
      const before = (await configuration()).metadata.uid
      await run('upgrade', namespace, chartDirectory, ...common, ...good, '--wait', '--timeout', '2m')
      await until('the Service to have its pods', async () => injected(await admit()) || undefined)
      const { stdout, stderr } = await run('test', namespace, '--logs', '--timeout', '2m')
      assert.match(stdout + stderr, /webhook azure-wi-webhook-mutating-webhook-configuration: the API server calls it/)
      assert.equal((await configuration()).metadata.uid, before)
    })

    await t.test('upgrades and a rollback leave the registration as it is', async () => {
      const { resourceVersion } = await kube.list(resources.mutatingWebhookConfigurations)
      const without: string[] = []
      let changes = 0
      const abort = new AbortController()
      const watching = (async () => {
        const options = { resourceVersion, signal: abort.signal }
        for await (const { object } of kube.watch(resources.mutatingWebhookConfigurations, options)) {
          if (!('metadata' in object) || object.metadata.name !== webhookNames.configuration) continue
          changes++
          const [webhook] = (object as { webhooks?: { rules?: object[] }[] }).webhooks ?? []
          if ((webhook?.rules ?? []).length === 0) without.push(object.metadata.resourceVersion ?? '')
        }
      })().catch((error: unknown) => assert.ok(abort.signal.aborted, String(error)))
      for (const seconds of ['9', '8']) {
        const values = [...common, ...good, ...set({ 'webhook.timeoutSeconds': seconds })]
        await run('upgrade', namespace, chartDirectory, ...values, '--wait')
      }
      await run('rollback', namespace, '3', '--wait')
      await until('the watch to show the upgrades', () => changes >= 2)
      abort.abort(new Error('enough'))
      await watching
      assert.deepEqual(without, [])
      const [webhook] = (await configuration()).webhooks as { timeoutSeconds: number }[]
      assert.equal(webhook?.timeoutSeconds, 9)
      assert.equal(injected(await admit()), true)
    })

    await t.test(
      'without replicas, pods are refused until the rules are removed; the next replica registers again',
      async () => {
        const scale = (replicas: number) =>
          kube.patch(resources.deployments, { namespace, name: deployment }, { spec: { replicas } })
        await scale(0)
        await until(
          'no replica',
          async () =>
            (await admit().then(
              () => false,
              (error: unknown) => /failed calling webhook/.test(String(error)),
            )) || undefined,
        )
        const remove = [{ op: 'remove', path: '/webhooks/0/rules' }]
        await kube.patch(resources.mutatingWebhookConfigurations, { name: webhookNames.configuration }, remove, {
          type: 'json',
        })
        await until('a pod without a token', async () => !injected(await admit()) || undefined)
        await scale(1)
        await until('a pod with its token', async () => injected(await admit()) || undefined)
      },
    )
  },
)
