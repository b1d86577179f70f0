import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import {
  type ClassChange,
  classAnnotations,
  isAlreadyExists,
  type KubeClient,
  type KubeEvent,
  parseClassChange,
  resources,
} from '#kubernetes/client'
import { silentLog } from '#lib'
import { operatorProgram, startOperatorDaemon } from '#product/operator'
import { parseQueueMessages } from '../../../src/product/operator/events/parse-queue-messages.ts'
import { parseReceivedEvents } from '../../../src/product/operator/events/topic-client.ts'
import { createApplication } from '../../support/application.ts'
import { configOf } from '../../support/config-of.ts'
import { customResourceDefinitions } from '../../support/custom-resources.ts'
import { createEventGridNamespace } from '../../support/event-grid-namespace.ts'
import { until } from '../../support/eventually.ts'
import { kubeClientOf } from '../../support/kube-client-of.ts'
import { startLocalAzure, type TestAzure, type TestIdentity } from '../../support/local-azure.ts'
import { startLocalCluster } from '../../support/local-cluster.ts'
import { readMetrics } from '../../support/metrics.ts'
import { messageBody, sharedKeyHeaders } from '../../support/queue-calls.ts'
import { createStorageAccount } from '../../support/storage-account.ts'
import { temporaryDirectory } from '../../support/temporary-directory.ts'

export const vault = 'events-vault'
const namespace = 'default'
const queueName = 'keymount'

export type Transport = 'queue' | 'namespace topic'

/** The API server, the local Azure with a queue or the topic of a namespace, and the operator between them, signed in by its service account's token. */
export interface EventsLab {
  kube: KubeClient
  azure: TestAzure
  identity: TestIdentity
  /** What makes the operator receive from the transport. */
  transport: string
  /** Its error where `allow` was not called. */
  refusal: RegExp
  /** Starts the operator with more flags; it stops with the test. */
  operate(...flags: string[]): Promise<Operator>
  createClass(name: string, objects: readonly string[], vaultName?: string): Promise<void>
  /** Puts an event into the queue or the topic, as Event Grid does. */
  send(event: TestEvent): Promise<void>
  /** The same for one that is not what Event Grid sends. */
  sendNonsense(): Promise<void>
  /** Another reader takes what waits, so many times, and gives it back at once. */
  readInVain(times: number): Promise<void>
  /** The annotation of a class. */
  change(name: string): Promise<ClassChange | undefined>
  /** Messages that are visible or being processed. */
  depth(): Promise<number>
  allow(): Promise<string>
  event(reason: string): Promise<KubeEvent>
}

export interface Operator {
  metricsPort: number | undefined
  metrics(): ReturnType<typeof readMetrics>
  stop(): Promise<void>
}

export interface TestEvent {
  id: string
  name?: string
  version?: string
  type?: string
}

export async function startEventsLab(t: TestContext, transport: Transport = 'queue'): Promise<EventsLab> {
  const cluster = await startLocalCluster(t, { node: false })
  const directory = temporaryDirectory(t, 'events-')
  const authority = join(directory, 'cluster-ca.pem')
  writeFileSync(authority, cluster.ca)
  const azure = await startLocalAzure(t, { issuerCaFiles: [authority] })
  const kube = kubeClientOf(t, cluster.kubeconfig)
  await createDefinitions(kube)
  const way = transport === 'queue' ? await startQueue(azure) : await startTopic(azure)
  const identity = await azure.createIdentity('keymount-operator')
  await azure.federate(identity, { issuer: cluster.issuer, subject: `system:serviceaccount:${namespace}:operator` })
  const tokenFile = join(directory, 'token')
  writeFileSync(tokenFile, await operatorToken(kube))
  const env = {
    KUBECONFIG: cluster.kubeconfig,
    HTTPS_PROXY: azure.proxyUrl,
    SSL_CERT_FILE: azure.caFile,
    AZURE_CLIENT_ID: identity.clientId,
    AZURE_TENANT_ID: azure.administrator.tenantId,
    AZURE_FEDERATED_TOKEN_FILE: tokenFile,
    OPERATOR_POD_NAMESPACE: namespace,
    OPERATOR_POD_NAME: 'operator-1',
  }
  return {
    kube,
    azure,
    identity,
    transport: way.flag,
    refusal: way.refusal,
    async operate(...flags) {
      const argv = ['--events', '--metrics-bind-address=127.0.0.1:0', '--health-probe-bind-address=0', ...flags]
      const config = configOf(operatorProgram, argv, env)
      const { metricsPort, stop } = await startOperatorDaemon(config, { env, log: silentLog, onLost: () => {} })
      t.after(stop)
      return { metricsPort, metrics: () => readMetrics(metricsPort), stop }
    },
    async createClass(name, objects, keyvaultName = vault) {
      const entries = objects.map((one) => `  - |\n    objectName: ${one}\n    objectType: secret`).join('\n')
      await kube.create(resources.secretProviderClasses, {
        apiVersion: 'secrets-store.csi.x-k8s.io/v1',
        kind: 'SecretProviderClass',
        metadata: { namespace, name },
        spec: { provider: 'azure', parameters: { keyvaultName, objects: `array:\n${entries}` } },
      })
    },
    send: (event) => way.send(event),
    sendNonsense: () => way.sendNonsense(),
    async readInVain(times) {
      for (let left = times; left > 0; left--) await way.readInVain()
    },
    async change(name) {
      const { metadata } = await kube.get(resources.secretProviderClasses, { namespace, name })
      return parseClassChange(metadata.annotations?.[classAnnotations.changed] ?? '')
    },
    depth: () => way.depth(),
    allow: () => azure.assignRole(way.role, identity.principalId, way.scope),
    event: (reason) =>
      until(`an event ${reason}`, async () => {
        const { items } = await kube.list(resources.events, { namespace })
        return items.find((one) => one.reason === reason)
      }),
  }
}

/** One way of events into the operator, and back out where they were processed. */
interface Way {
  flag: string
  refusal: RegExp
  /** What the operator needs, and on what. */
  role: string
  scope: string
  send(event: TestEvent): Promise<void>
  sendNonsense(): Promise<void>
  readInVain(): Promise<void>
  depth(): Promise<number>
}

async function startQueue(azure: TestAzure): Promise<Way> {
  const account = await createStorageAccount(azure)
  const call = (method: 'GET' | 'PUT' | 'POST', target: string, body?: string) =>
    azure.send({
      method,
      url: new URL(`${account.queues}${target}`),
      headers: sharedKeyHeaders({ method, target, body }, { account: account.name, key: account.key }),
      body,
    })
  await call('PUT', `/${queueName}`)
  const put = async (text: string) => {
    const { status, body } = await call('POST', `/${queueName}/messages`, messageBody(text))
    if (status !== 201) throw new Error(`Put Message: ${status} ${body}`)
  }
  return {
    flag: `--events-queue=${account.queues}/${queueName}`,
    refusal: /^queue .*: 403 .*Storage Queue Data Message Processor/,
    role: 'Storage Queue Data Message Processor',
    scope: account.id,
    send: (event) => put(Buffer.from(JSON.stringify(gridEvent(event))).toString('base64')),
    sendNonsense: () => put('no event'),
    async readInVain() {
      const { body } = await call('GET', `/${queueName}/messages?visibilitytimeout=30`)
      const [message] = parseQueueMessages(body.toString('utf8'))
      assert.ok(message, 'a message waits')
      const { id, popReceipt, text } = message
      const query = new URLSearchParams({ popreceipt: popReceipt, visibilitytimeout: '0' })
      const { status } = await call('PUT', `/${queueName}/messages/${id}?${query}`, messageBody(text))
      assert.equal(status, 204)
    },
    async depth() {
      const { headers } = await call('GET', `/${queueName}?comp=metadata`)
      return Number(headers['x-ms-approximate-messages-count'])
    },
  }
}

async function startTopic(azure: TestAzure): Promise<Way> {
  const { url, endpoint, topic, subscription } = await createEventGridNamespace(azure)
  const publisher = await createApplication(azure, 'publisher')
  await azure.assignRole('EventGrid Data Sender', publisher.principalId, topic.id)
  const publish = async (event: object) => {
    const { status, body } = await azure.send({
      method: 'POST',
      url: new URL(`${endpoint}/topics/${topic.name}:publish?api-version=2024-06-01`),
      headers: {
        authorization: `Bearer ${await publisher.token('https://eventgrid.azure.net')}`,
        'content-type': 'application/cloudevents+json',
      },
      body: JSON.stringify({ specversion: '1.0', source: '/vaults/test', ...event }),
    })
    if (status !== 200) throw new Error(`publish: ${status} ${body}`)
  }
  const reader = await createApplication(azure, 'reader')
  await azure.assignRole('EventGrid Data Receiver', reader.principalId, subscription.id)
  const receive = async (word: 'receive' | 'release', body: object) => {
    const answer = await azure.send({
      method: 'POST',
      url: new URL(`${url}:${word}?api-version=2024-06-01`),
      headers: {
        authorization: `Bearer ${await reader.token('https://eventgrid.azure.net')}`,
        'content-type': 'application/json',
      },
      body: JSON.stringify(body),
    })
    assert.equal(answer.status, 200, String(answer.body))
    return answer
  }
  return {
    flag: `--events-namespace-topic=${url}`,
    refusal: /^namespace topic [^:]*: 403 .*EventGrid Data Receiver/,
    role: 'EventGrid Data Receiver',
    scope: subscription.id,
    send(event) {
      const { id, subject, eventType: type, eventTime: time, data } = gridEvent(event)
      return publish({ id, subject, type, time, data })
    },
    sendNonsense: () => publish({ id: 'nonsense', type: 'Microsoft.KeyVault.SecretNewVersionCreated' }),
    async readInVain() {
      const { body } = await receive('receive', {})
      const [event] = parseReceivedEvents(body.toString('utf8'))
      assert.ok(event, 'an event waits')
      await receive('release', { lockTokens: [event.popReceipt] })
    },
    async depth() {
      const { waiting } = (await azure.control('GET', '/event-grid')) as { waiting: number }
      return waiting
    },
  }
}

async function createDefinitions(kube: KubeClient): Promise<void> {
  for (const definition of customResourceDefinitions)
    await kube.create(resources.customResourceDefinitions, definition).catch((error: unknown) => {
      if (!isAlreadyExists(error)) throw error
    })
}

async function operatorToken(kube: KubeClient): Promise<string> {
  const account = { namespace, name: 'operator' }
  await kube.create(resources.serviceAccounts, { apiVersion: 'v1', kind: 'ServiceAccount', metadata: account })
  const { token } = await kube.createToken(account, { audiences: ['api://AzureADTokenExchange'] })
  return token
}

function gridEvent({ id, name = 'db', version = id, type = 'SecretNewVersionCreated' }: TestEvent) {
  return {
    id,
    subject: name,
    eventType: `Microsoft.KeyVault.${type}`,
    eventTime: new Date().toISOString(),
    data: {
      Id: `https://${vault}.vault.azure.net/secrets/${name}/${version}`,
      VaultName: vault,
      ObjectType: 'Secret',
      ObjectName: name,
      Version: version,
    },
    dataVersion: '1',
    metadataVersion: '1',
  }
}
