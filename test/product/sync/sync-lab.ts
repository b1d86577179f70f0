import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { parse, stringify } from 'yaml'
import {
  createKubeClient,
  isNotFound,
  type KubeClient,
  loadKubeconfig,
  resources,
  type Secret,
  type UntypedObject,
} from '#kubernetes/client'
import { type Running, silentLog } from '#lib'
import { createSyncMetrics, type SecretSync, type SyncConfig, secretSyncs, startSync } from '#product/sync'
import { until } from '../../support/eventually.ts'
import type { TestIdentity } from '../../support/local-azure.ts'
import { startLocalCluster, type TestCluster } from '../../support/local-cluster.ts'
import { type ProviderLab, startProviderLab } from '../../support/provider-lab.ts'

const crds = join(import.meta.dirname, '../../../charts/keymount/files')

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
  createSync(name: string, spec?: Partial<SecretSync['spec']>): Promise<SecretSync>
  sync(name: string): Promise<SecretSync>
  secret(name: string): Promise<Secret | undefined>
  /** The text under a key, when the Secret has it. */
  value(name: string, key: string): Promise<string | undefined>
  /** Waits for a condition and gives its message. */
  condition(name: string, type: string, status: string, reason: string): Promise<string>
}

export async function startSyncLab(t: TestContext): Promise<SyncLab> {
  const cluster = await startLocalCluster(t)
  const providerLab = await startProviderLab(t, { issuerCaFiles: [writeCa(cluster)] })
  const kube = createKubeClient(loadKubeconfig(cluster.kubeconfig))
  t.after(() => kube.close())
  for (const file of ['crds/secretproviderclasses.yaml', 'sync-crds/secretsyncs.yaml']) {
    const definition = withoutRules(parse(readFileSync(join(crds, file), 'utf8'))) as UntypedObject
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
    createSync: (name, spec = {}) =>
      kube.create(secretSyncs, {
        apiVersion: 'secret-sync.x-k8s.io/v1alpha1',
        kind: 'SecretSync',
        metadata: ref(name),
        spec: {
          secretProviderClassName: 'app',
          serviceAccountName: 'app',
          secretObject: { type: 'Opaque', data: [{ sourcePath: 'db', targetKey: 'password' }] },
          ...spec,
        },
      }),
    sync: (name) => kube.get(secretSyncs, ref(name)),
    async secret(name) {
      try {
        return await kube.get(resources.secrets, ref(name))
      } catch (error) {
        if (isNotFound(error)) return undefined
        throw error
      }
    },
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
  }
  return lab
}

function writeCa(cluster: TestCluster): string {
  return join(cluster.stateDir, 'pki', 'ca.crt')
}

/** The local cluster refuses rules in CEL, which it cannot evaluate; the controller checks the same. */
function withoutRules(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutRules)
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).filter(([key]) => key !== 'x-kubernetes-validations')
  return Object.fromEntries(entries.map(([key, inner]) => [key, withoutRules(inner)]))
}
