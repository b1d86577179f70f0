import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { isAlreadyExists, type KubeClient, resources } from '#kubernetes/client'
import { type Running, silentLog } from '#lib'
import { eventTypes, startOperatorDaemon } from '#product/operator'
import { exampleNames } from '../example/example.ts'
import type { DemoContext } from './demo-context.ts'

const account = { namespace: 'kube-system', name: 'keymount-operator' }

/** Has Event Grid write the events of the demo's vault to a queue, and starts the operator beside the cluster. */
export async function startPush(context: DemoContext): Promise<Running> {
  const { azure, lab, kube, home, vault } = context
  if (lab.azure === undefined) throw new Error('the demo needs the local Azure')
  const identity = await azure.createIdentity(account.name)
  const subject = `system:serviceaccount:${account.namespace}:${account.name}`
  await azure.setFederatedCredential(account.name, { name: account.name, issuer: lab.cluster.issuer, subject })
  const queue = await azure.createEventQueue('keymount-demo', identity.principalId)
  await azure.subscribeToVault(vault, queue, eventTypes)
  const directory = mkdtempSync(join(home.root, 'operator-'))
  const tokenFile = join(directory, 'token')
  writeFileSync(tokenFile, await tokenOf(kube), { mode: 0o600 })
  const { clientId, tenantId } = identity
  const operator = await startOperatorDaemon(
    {
      logLevel: 'info',
      kubeconfig: lab.cluster.kubeconfig,
      metricsAddress: undefined,
      healthAddress: undefined,
      lease: undefined,
      restart: undefined,
      events: {
        queue: new URL(queue.url),
        namespaceTopic: undefined,
        vaults: [],
        queueVaults: [],
        quietIntervalMs: undefined,
        signInsPerSecond: 0,
        namespaces: [],
        cloud: '',
        identity: { clientId, tenantId, tokenFile },
      },
      driverName: 'secrets-store.csi.k8s.io',
      statusIntervalOf: undefined,
      pod: { ...account, uid: undefined },
    },
    { env: { HTTPS_PROXY: lab.azure.proxy, SSL_CERT_FILE: lab.azure.ca }, log: silentLog, onLost: () => {} },
  )
  return {
    async stop() {
      await operator.stop()
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

async function tokenOf(kube: KubeClient): Promise<string> {
  await kube
    .create(resources.serviceAccounts, { apiVersion: 'v1', kind: 'ServiceAccount', metadata: account })
    .catch((error: unknown) => {
      if (!isAlreadyExists(error)) throw error
    })
  const { token } = await kube.createToken(account, { audiences: ['api://AzureADTokenExchange'] })
  return token
}

/** How often the class is read without an event; undefined: as often as the driver reads others. */
export async function setClassInterval({ kube }: DemoContext, syncInterval: string | undefined): Promise<void> {
  const ref = { namespace: exampleNames.namespace, name: exampleNames.class }
  const patch = { spec: { parameters: { syncInterval: syncInterval ?? null } } }
  await kube.patch(resources.secretProviderClasses, ref, patch)
}
