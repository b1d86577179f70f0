import { readFile } from 'node:fs/promises'
import { findCloud, readTokenClaims, type WorkloadCredential } from '#azure/identity'
import { createVaultClient, vaultAddress } from '#azure/keyvault'
import { createEntraTokens } from '#azure/rest'
import { azureHttp, buildVersion } from '#daemon'
import { type Log, SecretValue } from '#lib'
import type { Environment } from '#lib/flags'
import { createHttpClient } from '#lib/http'
import type { EventsConfig } from './events-config.ts'
import type { EventsMetrics } from './events-metrics.ts'
import { createQueueClient, storageResource } from './queue-client.ts'
import { createQueueSource } from './queue-source.ts'
import { createTopicClient, topicResource } from './topic-client.ts'
import type { EventSource } from './vault-event.ts'
import { watchVault } from './watch-vault.ts'

export interface Sources {
  list: readonly EventSource[]
  close(): void
}

/** The sources of a configuration, signed in as the operator's own service account. */
export function createSources(
  { queue, namespaceTopic, vaults, queueVaults, cloud: cloudName, identity }: EventsConfig,
  { env, log, metrics }: { env: Environment; log: Log; metrics: EventsMetrics },
): Sources {
  const cloud = findCloud(cloudName)
  if (cloud === undefined) throw new Error(`unknown cloud ${cloudName}`)
  const http = createHttpClient(azureHttp(env))
  const userAgent = `keymount/operator/${buildVersion}`
  const tokens = createEntraTokens({ cloud, credential: () => credentialOf(identity), send: http.send })
  const list: EventSource[] = []
  const { vaultSuffix } = cloud
  const tokenFor = (resource: string) => (signal: AbortSignal) => tokens.get(resource, signal)
  const hosts = queueVaults.map((name) => new URL(vaultAddress(name, vaultSuffix).origin).host)
  const { ignored: onIgnored, age: onAge } = metrics
  const shared = { vaults: hosts, vaultSuffix, log, onIgnored, onAge }
  if (queue !== undefined) {
    const client = createQueueClient({ url: queue, token: tokenFor(storageResource), send: http.send, userAgent })
    list.push(createQueueSource({ queue: client, ...shared }))
  }
  if (namespaceTopic !== undefined) {
    const token = tokenFor(topicResource(namespaceTopic))
    const client = createTopicClient({ url: namespaceTopic, token, send: http.send, userAgent })
    list.push(createQueueSource({ name: 'namespace topic', queue: client, ...shared }))
  }
  const client = createVaultClient({ send: http.send, userAgent })
  const auth = { resource: cloud.vaultResource, token: (resource: string) => tokens.get(resource), refused: () => {} }
  for (const { name, intervalMs } of vaults)
    list.push(watchVault({ vault: vaultAddress(name, cloud.vaultSuffix), intervalMs, client, auth, log }))
  return { list, close: http.stop }
}

/** Kubelet renews the file. */
async function credentialOf({ clientId, tenantId, tokenFile }: EventsConfig['identity']): Promise<WorkloadCredential> {
  const token = (await readFile(tokenFile, 'utf8')).trim()
  return {
    kind: 'workload',
    tenantId,
    clientId,
    assertion: { token: SecretValue.of(token), claims: readTokenClaims(token) },
  }
}
