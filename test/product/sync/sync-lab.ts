import assert from 'node:assert/strict'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { stringify } from 'yaml'
import { ifFound, type KubeClient, resources, type Secret, type SecretSync } from '#kubernetes/client'
import { type Running, silentLog } from '#lib'
import { createSyncMetrics, type SyncConfig, startSync } from '#product/sync'
import { customResourceDefinitions, secretSyncDefinition } from '../../support/custom-resources.ts'
import { until } from '../../support/eventually.ts'
import { type FakeProvider, startFakeProvider } from '../../support/fake-provider.ts'
import { kubeClientOf } from '../../support/kube-client-of.ts'
import type { TestIdentity } from '../../support/local-azure.ts'
import { startLocalCluster, type TestCluster } from '../../support/local-cluster.ts'
import { type ProviderLab, startProviderLab } from '../../support/provider-lab.ts'
import { temporaryDirectory } from '../../support/temporary-directory.ts'

/** A cluster, a vault and a provider; the controller starts with {@link SyncLab.start}. */
export interface SyncLab {
  cluster: TestCluster
  kube: KubeClient
  azure: ProviderLab['azure']
  /** A call on the data plane of the vault. */
  callVault: ProviderLab['vault']
  vault: string
  identity: TestIdentity
  metrics: ReturnType<typeof createSyncMetrics>
  start(overrides?: Partial<SyncConfig>): Running
  createClass(name: string, objects: readonly object[], parameters?: Record<string, string>): Promise<void>
  createSync(name: string, spec?: Partial<SecretSync['spec']>, namespace?: string): Promise<SecretSync>
  /** Starts a fake provider of this name for a controller with `providerDirectories: [fakeProviders]`. */
  startFakeProvider(name: string): Promise<FakeProvider>
  fakeProviders: string
  /** Messages of the events about objects of the namespace `default`, by reason. */
  events(reason: string): Promise<string[]>
  sync(name: string): Promise<SecretSync>
  secret(name: string): Promise<Secret | undefined>
  /** The text under a key, when the Secret has it. */
  value(name: string, key: string): Promise<string | undefined>
  /** Waits for a condition and gives its message. */
  condition(name: string, type: string, status: string, reason: string): Promise<string>
  /** The message of the condition with which a SecretSync that has no Secret is not ready. */
  reasonOfAbsence(name: string, reason: string): Promise<string>
}

/** Where each key of a Secret comes from, as `spec.secretObject` has it. */
export function keysFrom(sources: Readonly<Record<string, string>>): Pick<SecretSync['spec'], 'secretObject'> {
  const data = Object.entries(sources).map(([targetKey, sourcePath]) => ({ sourcePath, targetKey }))
  return { secretObject: { data } }
}

export async function startSyncLab(t: TestContext): Promise<SyncLab> {
  const cluster = await startLocalCluster(t)
  const providerLab = await startProviderLab(t, { issuerCaFiles: [writeCa(cluster)] })
  const kube = kubeClientOf(t, cluster.kubeconfig)
  for (const definition of [...customResourceDefinitions, secretSyncDefinition]) {
    await kube.create(resources.customResourceDefinitions, definition).catch((error: { status?: number }) => {
      if (error.status !== 409) throw error
    })
  }
  const { azure } = providerLab
  const vault = 'sync-vault'
  const identity = await providerLab.createReadableVault(vault)
  await azure.federate(identity, { issuer: cluster.issuer, subject: 'system:serviceaccount:default:app' })
  await kube.create(resources.serviceAccounts, {
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata: { name: 'app', namespace: 'default' },
  })
  const { socketPath } = await providerLab.startProvider({ readShareMs: 0, tokenHoldMs: 0 })
  const metrics = createSyncMetrics()
  const fakeProviders = temporaryDirectory(t, 'providers-')
  const ref = (name: string) => ({ namespace: 'default', name })
  const lab: SyncLab = {
    cluster,
    kube,
    azure,
    callVault: providerLab.vault,
    vault,
    identity,
    metrics,
    start(overrides = {}) {
      const config = {
        providerDirectories: [join(socketPath, '..')],
        maxReceiveBytes: 4 * 1024 * 1024,
        audiences: ['api://AzureADTokenExchange'],
        intervalMs: 1000,
        namespaces: [],
        namespaceSelector: '',
        syncClasses: false,
        controllerName: 'ours',
        workers: 8,
        pod: { name: 'controller', uid: 'u' },
        ...overrides,
      }
      const running = startSync(config, { kube, metrics, log: silentLog })
      t.after(() => running.stop())
      return running
    },
    async createClass(name, objects, parameters = {}) {
      await kube.create(resources.secretProviderClasses, {
        apiVersion: 'secrets-store.csi.x-k8s.io/v1',
        kind: 'SecretProviderClass',
        metadata: ref(name),
        spec: {
          provider: 'azure',
          parameters: {
            clientID: identity.clientId,
            tenantId: azure.administrator.tenantId,
            keyvaultName: vault,
            objects: stringify(objects),
            ...parameters,
          },
        },
      })
    },
    fakeProviders,
    async startFakeProvider(name) {
      const provider = await startFakeProvider(fakeProviders, name)
      t.after(() => provider.stop())
      return provider
    },
    async events(reason) {
      const { items } = await kube.list(resources.events, { namespace: 'default' })
      return items.filter((event) => event.reason === reason).map(({ message = '' }) => message)
    },
    createSync: (name, spec = {}, namespace = 'default') =>
      kube.create(resources.secretSyncs, {
        apiVersion: 'secret-sync.x-k8s.io/v1alpha1',
        kind: 'SecretSync',
        metadata: { name, namespace },
        spec: {
          secretProviderClassName: 'app',
          serviceAccountName: 'app',
          secretObject: { type: 'Opaque', data: [{ sourcePath: 'db', targetKey: 'password' }] },
          ...spec,
        },
      }),
    sync: (name) => kube.get(resources.secretSyncs, ref(name)),
    secret: (name) => ifFound(kube.get(resources.secrets, ref(name))),
    async value(name, key) {
      const data = (await lab.secret(name))?.data?.[key]
      return data === undefined ? undefined : Buffer.from(data, 'base64').toString('utf8')
    },
    condition: (name, type, status, reason) =>
      until(
        `${name}: ${type}=${status} ${reason}`,
        async () => {
          const { conditions = [] } = (await lab.sync(name)).status ?? {}
          const found = conditions.find((one) => one.type === type)
          if (found?.status === status && found.reason === reason) return found.message || ' '
          throw new Error(JSON.stringify(conditions))
        },
        { withinMs: 20_000, everyMs: 50 },
      ),
    async reasonOfAbsence(name, reason) {
      const message = await lab.condition(name, 'Ready', 'False', reason)
      assert.equal(await lab.secret(name), undefined)
      return message
    },
  }
  return lab
}

function writeCa(cluster: TestCluster): string {
  return join(cluster.stateDir, 'pki', 'ca.crt')
}
