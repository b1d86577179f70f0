import { join } from 'node:path'
import { before, describe } from 'node:test'
import { resources } from '#kubernetes/client'
import { bundleApplication } from '../../support/bundle-application.ts'
import { until } from '../../support/eventually.ts'
import type { Lab } from '../../support/lab.ts'
import { createNamespace } from '../namespaces.ts'
import { productPod } from '../node.ts'
import { podReady } from '../wait.ts'

/** A third party's provider beside the Azure one: a DaemonSet of its own, whose secrets and demands a test chooses. */
export interface E2eProvider {
  /** A pod that mounts again gets `rotated` for every object. */
  setRotated(rotated: boolean): Promise<void>
  /** From now on, a mount must carry a token for each of these. */
  requireTokens(audiences: readonly string[]): Promise<void>
  /** What the last mount brought from `nodePublishSecretRef`. */
  lastSecrets(): Promise<Record<string, string>>
}

const app = 'e2e-provider'

const installed = new WeakMap<Lab, Promise<E2eProvider>>()

/** The lab's only one, installed when it is first asked for: two would fight for one socket. It goes with its namespace. */
function e2eProvider(lab: Lab): Promise<E2eProvider> {
  const installing = installed.get(lab) ?? install(lab)
  installed.set(lab, installing)
  return installing
}

async function install(lab: Lab): Promise<E2eProvider> {
  const { kube } = lab
  const namespace = await createNamespace(lab, 'provider')
  await kube.create(resources.configMaps, {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: app, namespace },
    data: { 'program.cjs': await bundleApplication(join(import.meta.dirname, 'program.ts')) },
  })
  const { image, providersDirectory } = await productFacts(lab)
  await kube.create(resources.daemonSets, {
    apiVersion: 'apps/v1',
    kind: 'DaemonSet',
    metadata: { name: app, namespace },
    spec: {
      selector: { matchLabels: { app } },
      template: {
        metadata: { labels: { app } },
        spec: {
          terminationGracePeriodSeconds: 5,
          containers: [
            {
              name: app,
              image,
              imagePullPolicy: 'IfNotPresent',
              command: ['/usr/local/bin/node', '/program/program.cjs', '/providers'],
              volumeMounts: [
                { name: 'program', mountPath: '/program' },
                { name: 'providers', mountPath: '/providers' },
                { name: 'control', mountPath: '/tmp/e2e' },
              ],
            },
          ],
          volumes: [
            { name: 'program', configMap: { name: app } },
            { name: 'providers', hostPath: { path: providersDirectory } },
            { name: 'control', emptyDir: {} },
          ],
        },
      },
    },
  })
  const name = await until(`a pod of ${app}`, async () => {
    const { items } = await kube.list(resources.pods, { namespace, labelSelector: `app=${app}` })
    return items[0]?.metadata.name
  })
  await podReady(lab, namespace, name)

  const ask = async (path: string): Promise<string> => {
    const command = ['/usr/local/bin/node', '/program/program.cjs', 'ask', path]
    const { stdout, stderr, code } = await lab.exec(namespace, name, app, command)
    if (code !== 0) throw new Error(`${path}: ${stdout}${stderr}`)
    return stdout
  }
  await until('the provider to answer', () => ask('/last-versions'))
  return {
    setRotated: async (rotated) => void (await ask(`/rotation?rotated=${rotated}`)),
    requireTokens: async (audiences) => {
      await ask(`/validate-token-requests?audience=${encodeURIComponent(audiences.join(','))}`)
    },
    lastSecrets: async () => JSON.parse(await ask('/last-secrets')) as Record<string, string>,
  }
}

/** The image and the socket directory of the driver that is installed: wherever it looks, this provider serves. */
async function productFacts(lab: Lab): Promise<{ image: string; providersDirectory: string }> {
  const { spec } = await productPod(lab, 'secrets-store-csi-driver')
  const image = spec.containers.find(({ name }) => name === 'secrets-store')?.image
  const directory = spec.volumes?.find(({ name }) => name === 'providers-dir')?.hostPath?.path
  if (image === undefined || directory === undefined) throw new Error('the driver’s pod does not match the manifests')
  return { image, providersDirectory: directory }
}

/** Cases beside the provider, which starts before the first of them. */
export function describeWithProvider(name: string, lab: () => Lab, cases: (provider: () => E2eProvider) => void): void {
  describe(name, () => {
    let provider: E2eProvider
    before(async () => {
      provider = await e2eProvider(lab())
    })
    cases(() => provider)
  })
}
