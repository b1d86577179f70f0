import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isAlreadyExists, resources } from '#kubernetes/client'
import { silentLog } from '#lib'
import { eventTypes, operatorProgram, startOperatorDaemon } from '#product/operator'
import { configOf } from './config-of.ts'
import { createEventTopic } from './event-topic.ts'
import type { Lab } from './lab.ts'

/** How the events of a vault come to the operator. */
export type EventTransport = 'queue' | 'namespace-topic'

/** The operator of a lab, with a queue or topic that the events of a vault come to. */
export interface EventsOperator {
  metricsPort: number | undefined
  stop(): Promise<void>
}

const account = { namespace: 'kube-system', name: 'keymount-operator' }

/** Sets up a queue or topic, a subscription and an identity, and starts the operator beside the cluster, with its service account's token. */
export async function startEventsOperator(
  lab: Lab,
  vault: string,
  transport: EventTransport = 'queue',
): Promise<EventsOperator> {
  const { azure, kube, issuer, kubeconfig, azureProxy } = lab
  const identity = await azure.createIdentity(account.name)
  const subject = `system:serviceaccount:${account.namespace}:${account.name}`
  await azure.setFederatedCredential(account.name, { name: 'operator', issuer, subject })
  const source = await createSource(azure, { vault, transport, reader: identity.principalId })
  await kube
    .create(resources.serviceAccounts, { apiVersion: 'v1', kind: 'ServiceAccount', metadata: account })
    .catch((error: unknown) => {
      if (!isAlreadyExists(error)) throw error
    })
  const { token } = await kube.createToken(account, { audiences: ['api://AzureADTokenExchange'] })
  const directory = mkdtempSync(join(tmpdir(), 'keymount-operator-'))
  const tokenFile = join(directory, 'token')
  writeFileSync(tokenFile, token, { mode: 0o600 })
  const env = {
    KUBECONFIG: kubeconfig,
    HTTPS_PROXY: azureProxy.url,
    SSL_CERT_FILE: azureProxy.caFile,
    AZURE_CLIENT_ID: identity.clientId,
    AZURE_TENANT_ID: azure.tenantId,
    AZURE_FEDERATED_TOKEN_FILE: tokenFile,
    OPERATOR_POD_NAMESPACE: account.namespace,
  }
  const flags = ['--events', source, '--metrics-bind-address=127.0.0.1:0', '--health-probe-bind-address=0']
  const config = configOf(operatorProgram, flags, env)
  const { metricsPort, stop } = await startOperatorDaemon(config, { env, log: silentLog, onLost: () => {} })
  return {
    metricsPort,
    async stop() {
      await stop()
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

/** @returns the flag of the operator that names it. */
async function createSource(
  azure: Lab['azure'],
  { vault, transport, reader }: { vault: string; transport: EventTransport; reader: string },
): Promise<string> {
  if (transport === 'namespace-topic') return `--events-namespace-topic=${await createEventTopic(azure, vault, reader)}`
  const queue = await azure.createEventQueue('keymount-events', reader)
  await azure.subscribeToVault(vault, queue, eventTypes)
  return `--events-queue=${queue.url}`
}
