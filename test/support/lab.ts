import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  createKubeClient,
  type ExecResult,
  execInPod,
  type KubeClient,
  type KubeConfig,
  loadKubeconfig,
  resources,
  wasFound,
} from '#kubernetes/client'
import { createLabAzure, type LabAzure, readCredentials } from '#lab/home'
import { networkAddresses } from '#lab/router'
import { sleep } from '#lib'
import { callSocket, type SocketCall } from '#lib/http'
import { runCli } from './run-cli.ts'

export interface LabOptions {
  /** The embedded cluster, or the one that KUBECONFIG names. Default: KEYMOUNT_E2E (`real` or `local`). */
  target?: 'local' | 'real'
  /** Go durations. Default: the product's. */
  rotationPollInterval?: string
  /** Of the local cluster's node; a real kubelet has its own. */
  syncFrequency?: string
  /** Whether the product may keep Kubernetes Secrets. Default false. */
  secretSync?: boolean
  /** Whether pods of a local cluster have networks of their own. Default false. */
  podNetwork?: boolean
  /** Whether the provider keeps sign-ins and reads for a while. Default: on, as the product's. */
  caching?: 'on' | 'off'
}

/** Faults, delays and counters of the local Azure. */
export interface LabControl {
  setFault(host: string, fault: Fault): Promise<void>
  clearFault(host: string): Promise<void>
  /** Every answer takes this long at least. */
  setDelay(ms: number): Promise<void>
  /** Requests since the last {@link forgetRequests}, by operation, for example `vault.secret.get`. */
  requests(): Promise<Record<string, number>>
  forgetRequests(): Promise<void>
}

export type Fault =
  | { kind: 'unreachable' }
  | { kind: 'throttle'; retryAfterSeconds?: number }
  | { kind: 'error'; status?: number }

/** A lab that `keymount up` has brought up, with the clients that tests need. */
export interface Lab {
  home: string
  isLocal: boolean
  kubeconfig: string
  kubeConfig: KubeConfig
  kube: KubeClient
  /** OIDC issuer of the cluster's service account tokens. */
  issuer: string
  kubeletRoot: string
  /** Where pods reach the local Azure, and the file with its CA. */
  azureProxy: { url: string; caFile: string }
  /** Signed in as owner of the subscription, who may also set secrets in every vault of the group. */
  azure: LabAzure
  control: LabControl
  exec(namespace: string, pod: string, container: string | undefined, command: readonly string[]): Promise<ExecResult>
  stop(): Promise<void>
}

/** What `keymount up --json` prints. */
interface UpSummary {
  kubeconfig: string
  issuer: string
  kubeletRoot: string
  azure: { proxy: string; ca: string; credentials: string; control: string }
}

/** Brings up a lab of its own, in a fresh directory and on free ports. `stop` takes it down and deletes it. */
export async function startLab(options: LabOptions = {}): Promise<Lab> {
  const { target = process.env.KEYMOUNT_E2E === 'real' ? 'real' : 'local' } = options
  const home = await mkdtemp(join(tmpdir(), 'keymount-'))
  const stop = async () => {
    const down = await runCli(['down', '--home', home, '--delete-state'])
    await rm(home, { recursive: true, force: true })
    if (down.code !== 0) throw new Error(`keymount down failed:\n${down.stderr}`)
  }
  const up = await runCli([
    'up',
    '--json',
    '--home',
    home,
    '--ports',
    'free',
    ...flags(target, options),
    ...(options.secretSync === true ? ['--secret-sync'] : []),
    ...(options.podNetwork === true ? ['--pod-network'] : []),
  ])
  if (up.code !== 0) {
    await stop().catch(() => undefined)
    throw new Error(`keymount up failed:\n${up.stderr}`)
  }
  const summary = JSON.parse(up.stdout) as UpSummary
  const kubeConfig = loadKubeconfig(summary.kubeconfig, { environment: process.env })
  const kube = createKubeClient(kubeConfig)
  const azure = createLabAzure({
    credentials: readCredentials(summary.azure.credentials),
    proxy: summary.azure.proxy,
    ca: readFileSync(summary.azure.ca, 'utf8'),
    resourceGroup: 'e2e',
  })
  await azure.createResourceGroup()
  await azure.assignRole({ role: 'Key Vault Secrets Officer', principalId: await azure.principalId() })
  return {
    home,
    isLocal: target === 'local',
    kubeconfig: summary.kubeconfig,
    kubeConfig,
    kube,
    issuer: summary.issuer,
    kubeletRoot: summary.kubeletRoot,
    azureProxy: { url: seenByPods(summary.azure.proxy, options), caFile: summary.azure.ca },
    azure,
    control: labControl(summary.azure.control),
    exec: (namespace, pod, container, command) => execInPod(kubeConfig, { namespace, pod, container, command }),
    async stop() {
      azure.stop()
      if (target === 'real') await deleteCases(kube)
      kube.close()
      await stop()
    },
  }
}

/** Pods with networks of their own reach servers of the machine at another address than the machine itself. */
function seenByPods(url: string, { podNetwork }: LabOptions): string {
  return podNetwork === true ? `http://${networkAddresses.router}:${new URL(url).port}` : url
}

/** Namespaces of cases with pods that use the driver: while it is there, or their volumes could not be unmounted. */
async function deleteCases(kube: KubeClient): Promise<void> {
  const { items } = await kube.list(resources.pods)
  const users = items.filter(({ spec }) => spec.volumes?.some(({ csi }) => csi?.driver === 'secrets-store.csi.k8s.io'))
  const names = new Set(users.map(({ metadata }) => metadata.namespace ?? '').filter((name) => name.startsWith('e2e-')))
  await Promise.all([...names].map((name) => kube.delete(resources.namespaces, { name })))
  for (const name of names) {
    while (await wasFound(kube.get(resources.namespaces, { name }))) await sleep(300)
  }
}

/** Real cluster: KUBECONFIG names it; KUBELET_ROOT, NODE_HOST and KEYMOUNT_IMAGE have what cannot be detected. */
function flags(target: 'local' | 'real', { rotationPollInterval, syncFrequency, caching }: LabOptions): string[] {
  const { KUBECONFIG, KUBELET_ROOT, NODE_HOST, KEYMOUNT_IMAGE } = process.env
  const given: Record<string, string | undefined> = {
    '--rotation-poll-interval': rotationPollInterval,
    '--caching': caching,
    ...(target === 'local'
      ? { '--sync-frequency': syncFrequency }
      : {
          '--kubeconfig': KUBECONFIG,
          '--kubelet-root': KUBELET_ROOT,
          '--listen': NODE_HOST,
          '--image': KEYMOUNT_IMAGE,
        }),
  }
  if (target === 'real' && KUBECONFIG === undefined) throw new Error('KUBECONFIG must name the cluster to test on')
  return Object.entries(given).flatMap(([flag, value]) => (value === undefined ? [] : [flag, value]))
}

function labControl(socketPath: string): LabControl {
  const call = (method: SocketCall['method'], path: string, body?: unknown) =>
    callSocket(socketPath, { method, path, body })
  return {
    setFault: async (host, fault) => void (await call('PUT', `/faults/${host}`, fault)),
    clearFault: async (host) => void (await call('DELETE', `/faults/${host}`)),
    setDelay: async (ms) => void (await call('PUT', '/delay', { ms })),
    requests: async () => ((await call('GET', '/requests')) as { counts: Record<string, number> }).counts,
    forgetRequests: async () => void (await call('DELETE', '/requests')),
  }
}
