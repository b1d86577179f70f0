import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it, type TestContext } from 'node:test'
import { type Pod, resources } from '#kubernetes/client'
import { parseJson, valueAt } from '#lib/formats'
import { imageReference } from '#packaging/image'
import packageJson from '../../../package.json' with { type: 'json' }
import { until } from '../../support/eventually.ts'
import { findKubectl, type Kubectl, kubectlFor } from '../../support/kubectl.ts'
import type { Lab } from '../../support/lab.ts'
import { secretsVolume } from '../../support/secrets-volume.ts'
import { etcdContent, etcdDirectory } from '../etcd-data.ts'
import { type InstalledWebhook, installWebhook, productImage } from '../installed-webhook.ts'
import { plant } from '../planted.ts'
import { podReady } from '../wait.ts'
import { createWorkload, type Workload } from '../workload.ts'

const busybox = 'registry.k8s.io/e2e-test-images/busybox:1.29-4'
/** Everything that a format with escapes would change. */
const first = plant('planted-env "first" # $(HOME) \\n = $X\nsecond line\u00e4 ')
const second = plant('planted-env-second')
const oldest = 35

/** Environment variables from secrets, without a Kubernetes Secret: `keymount.dev/env`. */
export function envFileCases(lab: () => Lab, options: { skip?: string }): void {
  describe('environment variables from a file', options, () => {
    let webhook: InstalledWebhook
    let workload: Workload
    let minor: number
    let version: string
    let kubectl: Kubectl
    const cacheDir = mkdtempSync(join(tmpdir(), 'keymount-kubectl-'))
    const create = (pod: Pod) => lab().kube.create(resources.pods, pod)
    const podWith = (name: string, annotations: Record<string, string>) => podOf(workload, name, annotations)
    /** Skips aloud on clusters that do not have it. */
    const needs = (t: TestContext, wanted: number) => {
      if (minor >= wanted) return true
      t.skip(`needs Kubernetes 1.${wanted}, and this is ${version}`)
      return false
    }

    before(async () => {
      const answer = parseJson('/version', await lab().kube.raw({ method: 'GET', path: '/version' }))
      minor = Number.parseInt(String(valueAt(answer, 'minor')), 10)
      version = String(valueAt(answer, 'gitVersion'))
      kubectl = kubectlFor(findKubectl() ?? 'kubectl', { kubeconfig: lab().kubeconfig, cacheDir })
      workload = await createWorkload(lab(), 'env', { objects: objectsOf('ExampleSecret', 'QuotedSecret') })
      await workload.setSecret('ExampleSecret', first)
      await workload.setSecret('QuotedSecret', "planted-env isn't representable")
      const image = productImage(imageReference(packageJson.version))
      webhook = await installWebhook(lab(), image, [workload.namespace], { envFiles: { enabled: true } })
      // A Service gets ready pods a moment after helm sees them.
      await until('the webhook to be reached', async () => {
        const { spec } = await lab().kube.create(resources.pods, podWith('first', {}), { dryRun: true })
        return spec.containers[0]?.env?.some(({ name }) => name === 'AZURE_TENANT_ID') || undefined
      })
    })
    after(async () => {
      rmSync(cacheDir, { recursive: true, force: true })
      await webhook?.uninstall()
    })

    it('are refused with the version that was found, on a cluster that has none', async (t) => {
      if (minor >= oldest) return t.skip(`${version} has them`)
      const expected = `need Kubernetes 1.35 or newer, and the API server is ${version} [env-not-supported]`
      const refused = await create(podWith('refused', { 'keymount.dev/env': 'DB_PASSWORD=ExampleSecret' })).catch(
        String,
      )
      assert.ok(typeof refused === 'string' && refused.includes(expected), JSON.stringify(refused))
    })

    it('reach every container of the pod, init containers too, as the value is in the vault', async (t) => {
      if (!needs(t, oldest)) return
      const pod = podWith('env', { 'keymount.dev/env': 'DB_PASSWORD=ExampleSecret' })
      const [app] = pod.spec.containers
      assert.ok(app !== undefined)
      // Kubernetes expands references to variables that come before.
      app.env = [{ name: 'COMPOSED', value: '<$(DB_PASSWORD)>' }]
      pod.spec.initContainers = [{ name: 'early', image: busybox, command: ['sh', '-c', 'test -n "$DB_PASSWORD"'] }]
      await create(pod)
      await podReady(lab(), workload.namespace, 'env')
      const print = (name: string) => lab().exec(workload.namespace, 'env', 'app', ['sh', '-c', `printf %s "$${name}"`])
      assert.equal((await print('DB_PASSWORD')).stdout, first)
      assert.equal((await print('COMPOSED')).stdout, `<${first}>`)
    })

    it('have the new value in the same pod after a rotation, with notify and a restart of its containers', async (t) => {
      // On by default from then on: RestartAllContainers.
      if (!needs(t, 37)) return
      const annotations = { 'keymount.dev/env': 'DB_PASSWORD=ExampleSecret', 'keymount.dev/notify': 'exit-code=88' }
      await create(podWith('renewed', annotations))
      await podReady(lab(), workload.namespace, 'renewed')
      const { metadata } = await lab().kube.get(resources.pods, { namespace: workload.namespace, name: 'renewed' })
      await workload.setSecret('ExampleSecret', second)
      await until('the new value', async () => {
        const printed = await lab()
          .exec(workload.namespace, 'renewed', 'app', ['sh', '-c', 'printf %s "$DB_PASSWORD"'])
          .catch(() => undefined)
        return printed?.stdout === second || undefined
      })
      const now = await lab().kube.get(resources.pods, { namespace: workload.namespace, name: 'renewed' })
      assert.equal(now.metadata.uid, metadata.uid)
    })

    it('that cannot be written keep the pod from starting, with the code in its status and without the value', async (t) => {
      if (!needs(t, oldest)) return
      await create(podWith('quoted', { 'keymount.dev/env': 'DB_PASSWORD=QuotedSecret' }))
      const message = await until('the init container to fail', async () => {
        const { status } = await lab().kube.get(resources.pods, { namespace: workload.namespace, name: 'quoted' })
        const found = status?.initContainerStatuses?.find(({ name }) => name === 'keymount-env')
        return (found?.state?.terminated ?? found?.lastState?.terminated)?.message
      })
      assert.match(message, /variable DB_PASSWORD: it has a single quote.*\[env-value-not-representable\]/)
      assert.doesNotMatch(message, /planted-env/)
    })

    it('are in no manifest, Secret, event or description, and not in etcd', async (t) => {
      if (!needs(t, oldest)) return
      const texts = [
        ['get', 'pod,secret,configmap,event', '-A', '-o', 'yaml'],
        ['describe', 'pod', '-n', workload.namespace, 'env'],
        ['logs', '-n', workload.namespace, 'env', '--all-containers'],
      ]
      for (const words of texts) {
        const { stdout, stderr, status } = await kubectl(words)
        assert.equal(status, 0, stderr)
        assert.ok(words[0] === 'logs' || stdout.includes('keymount-env'), words.join(' '))
        assert.doesNotMatch(stdout, /planted-env/, words.join(' '))
      }
      if (etcdDirectory === undefined) return t.skip('KEYMOUNT_ETCD_DATA does not name the data directory of etcd')
      const content = etcdContent(etcdDirectory)
      assert.ok(content.includes('keymount.dev/env'), 'the pod is in it')
      assert.doesNotMatch(content, /planted-env/)
    })
  })
}

const objectsOf = (...names: string[]) => names.map((name) => `- {objectName: ${name}, objectType: secret}`).join('\n')

function podOf(
  { namespace, serviceAccount, className }: Workload,
  name: string,
  annotations: Record<string, string>,
): Pod {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { namespace, name, labels: { 'azure.workload.identity/use': 'true' }, annotations },
    spec: {
      serviceAccountName: serviceAccount,
      terminationGracePeriodSeconds: 1,
      containers: [{ name: 'app', image: busybox, command: ['sleep', '10000'] }],
      volumes: [secretsVolume('secrets', className)],
    },
  }
}
