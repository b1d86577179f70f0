/** Running daemons with the faults that the alerts name, each caused for real. */
import { writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { TestContext } from 'node:test'
import { resources } from '#kubernetes/client'
import { type Running, sleep } from '#lib'
import { serveMetrics } from '#lib/http'
import { startEventsLab } from '../product/operator/events-lab.ts'
import { startRestartLab } from '../product/operator/restart-lab.ts'
import { startSyncLab } from '../product/sync/sync-lab.ts'
import { host, podReview, samplePod, startWebhookLab } from '../product/webhook/webhook-lab.ts'
import { startDriver, type TestDriver } from '../support/driver.ts'
import { createManualClock } from '../support/manual-clock.ts'
import { createOpenssl } from '../support/openssl.ts'
import { objectsOf } from '../support/provider.ts'
import { appSubject, clusterOf, type ProviderLab, startProviderLab } from '../support/provider-lab.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import type { Target } from './prometheus.ts'

const minute = 60_000
const audience = 'api://AzureADTokenExchange'

/** A part of the fleet: what Prometheus scrapes of it, and what happens to it once it is scraped. */
interface Part {
  targets: Target[]
  /** Called until the test ends: a counter has to grow while Prometheus looks. */
  disturb?: () => Promise<unknown>
  /** Ends the fault. */
  recover?: () => Promise<unknown>
}

export interface FaultyFleet {
  targets: Target[]
  /** Causes the faults that are calls, and goes on until {@link Running.stop}. */
  disturb(): Running
  /** Ends those faults that keep something from happening at all: events arrive, workloads restart, Secrets are written. */
  recover(): Promise<void>
  /** Ends the operator, as a crash does. */
  stopOperator(): Promise<void>
}

export async function startFaultyFleet(t: TestContext): Promise<FaultyFleet> {
  const operator = await operatorWithoutRights(t)
  const parts = [
    await vaultsInTrouble(t),
    await driverThatStandsStill(t),
    await secretSyncWithoutSecret(t),
    await pausedWorkload(t),
    operator,
    await webhookInTrouble(t),
  ]
  return {
    targets: parts.flatMap(({ targets }) => targets),
    disturb() {
      const stopping = new AbortController()
      const loops = parts.map(async ({ disturb }) => {
        while (disturb !== undefined && !stopping.signal.aborted) {
          await disturb()
          await sleep(100)
        }
      })
      return {
        async stop() {
          stopping.abort()
          await Promise.all(loops)
        },
      }
    },
    async recover() {
      for (const { recover } of parts) await recover?.()
    },
    stopOperator: operator.stop,
  }
}

/** A driver with the real provider: one vault is away, one throttles, one is well; a client id is wrong; what is mounted expires soon. */
async function vaultsInTrouble(t: TestContext): Promise<Part> {
  const lab = await startProviderLab(t)
  const openssl = createOpenssl(t)
  const provider = await lab.startProvider({ kube: clusterOf(lab.issuer), readShareMs: 0, tokenHoldMs: 0 })
  const driver = await startDriver(t, {
    flags: [
      `--additional-provider-volume-paths=${dirname(provider.socketPath)}`,
      '--enable-secret-rotation',
      '--rotation-poll-interval=1s',
    ],
  })
  const clientID = (await lab.createReadableVault('away')).clientId
  const others = ['well', 'slow'].map(async (name) => [name, (await lab.createReadableVault(name)).clientId] as const)
  const clientOf = new Map([['away', clientID], ...(await Promise.all(others))])
  for (const name of clientOf.keys()) await lab.azure.setSecret(name, 'db', 'a value')
  const { key, certificate } = openssl.certificate('tls')
  await lab.vault('well', 'POST', '/certificates/tls/import', {
    value: key + certificate,
    policy: { secret_props: { contentType: 'application/x-pem-file' } },
  })
  const soon = Math.floor(Date.now() / 1000) + 5 * 86_400
  await lab.vault('well', 'PUT', '/secrets/dated', { value: 'a value', attributes: { exp: soon } })

  const classOf = (name: string, vault: string, parameters: Record<string, string> = {}) =>
    driver.createClass(name, {
      provider: 'azure',
      parameters: {
        keyvaultName: vault,
        clientID: clientOf.get(vault) ?? '',
        tenantID: lab.azure.administrator.tenantId,
        objects: objectsOf({ objectName: 'db', objectType: 'secret' }),
        ...parameters,
      },
    })
  const expiring = objectsOf({ objectName: 'tls', objectType: 'secret' }, { objectName: 'dated', objectType: 'secret' })
  await classOf('away', 'away', { serveStaleFor: '1h' })
  await classOf('fallback', 'away', { fallbackKeyvaultName: 'well', clientID: clientOf.get('well') ?? '' })
  await classOf('slow', 'slow')
  await classOf('expiring', 'well', { objects: expiring })
  await classOf('stranger', 'well', { clientID: '00000000-0000-4000-8000-000000000000' })
  for (const className of ['away', 'slow', 'expiring']) await publish(driver, lab, className)

  await lab.azure.control('PUT', '/faults/away.vault.azure.net', { kind: 'unreachable' })
  await lab.azure.control('PUT', '/faults/slow.vault.azure.net', { kind: 'throttle', retryAfterSeconds: 1 })
  await publish(driver, lab, 'away') // from memory
  return {
    targets: [
      { app: 'secrets-store-csi-driver', port: driver.running.metricsPort ?? 0 },
      { app: 'secrets-store-provider-azure', port: provider.running.metricsPort ?? 0 },
    ],
    async disturb() {
      await publish(driver, lab, 'fallback')
      await publish(driver, lab, 'stranger').catch(() => undefined)
      const { request } = await driver.pod({ className: 'absent' })
      for (let i = 0; i < 20; i++) await driver.publish(request).catch(() => undefined)
      await driver.unpublish(request)
      await driver.unpublish({ volumeId: '', targetPath: '' }).catch(() => undefined)
    },
  }
}

/** A new pod of a class, with the token that kubelet would send. */
async function publish(driver: TestDriver, { issuer }: ProviderLab, className: string): Promise<void> {
  const { request } = await driver.pod({ className })
  const token = await issuer.token(appSubject, { aud: [audience] })
  const tokens = { [audience]: { token, expirationTimestamp: '2036-01-01T00:00:00Z' } }
  await driver.publish({
    ...request,
    volumeContext: {
      ...request.volumeContext,
      'csi.storage.k8s.io/serviceAccount.name': 'app',
      'csi.storage.k8s.io/serviceAccount.tokens': JSON.stringify(tokens),
    },
  })
}

/** A driver whose timers stopped ten minutes ago, and whose volumes nearly fill their memory. */
async function driverThatStandsStill(t: TestContext): Promise<Part> {
  const driver = await startDriver(t, {
    flags: ['--enable-secret-rotation', '--rotation-poll-interval=1s', `--volume-memory-budget=${1024 * 1024}`],
    clock: createManualClock(Date.now() - 10 * minute),
  })
  driver.provider.objects.set('foo', { content: 'x'.repeat(40_000), version: 'v1' })
  await driver.kube.create(resources.namespaces, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'other' } })
  for (const namespace of ['default', 'other']) await fill(driver, namespace)
  return { targets: [{ app: 'secrets-store-csi-driver', node: 'node-2', port: driver.running.metricsPort ?? 0 }] }
}

/** Starts pods until the driver has no memory for another one of this namespace. */
async function fill(driver: TestDriver, namespace: string): Promise<void> {
  for (;;) {
    const { request } = await driver.pod({ namespace })
    try {
      await driver.publish(request)
    } catch {
      return
    }
  }
}

/** A SecretSync whose object is not in the vault, and one that has a fallback vault's value. */
async function secretSyncWithoutSecret(t: TestContext): Promise<Part> {
  const lab = await startSyncLab(t)
  lab.start()
  await lab.createClass('app', [{ objectName: 'absent', objectType: 'secret' }])
  await lab.createSync('absent')
  await lab.condition('absent', 'Ready', 'False', 'ProviderError')
  await lab.azure.setSecret(lab.vault, 'db', 'a value')
  await lab.azure.control('PUT', '/faults/away.vault.azure.net', { kind: 'unreachable' })
  const parameters = { keyvaultName: 'away', fallbackKeyvaultName: lab.vault }
  await lab.createClass('fallback', [{ objectName: 'db', objectType: 'secret' }], parameters)
  await lab.createSync('fallback', { secretProviderClassName: 'fallback' })
  return { targets: [await served(t, 'secrets-store-sync-controller', lab.metrics.text)] }
}

/** A workload whose owner paused it, and a class whose Kubernetes Secret names a file that no volume has. */
async function pausedWorkload(t: TestContext): Promise<Part> {
  const lab = await startRestartLab(t)
  await lab.createClass('app')
  await lab.deploy('web', { paused: true })
  lab.operate()
  lab.setVersion('v2')
  await lab.event('RestartPending', 'web')
  const mirror = (secretName: string, objectName: string) => ({
    secretName,
    type: 'Opaque',
    data: [{ objectName, key: 'password' }],
  })
  const secretObjects = [mirror('written', 'foo'), mirror('wrong', 'absent')]
  const { request } = await lab.driver.pod({ secretObjects })
  await lab.driver.publish(request)
  return {
    targets: [
      await served(t, 'keymount-operator', lab.metrics.text),
      { app: 'secrets-store-csi-driver', node: 'node-3', port: lab.driver.running.metricsPort ?? 0 },
    ],
    recover: () =>
      lab.kube.patch(resources.deployments, { namespace: 'default', name: 'web' }, { spec: { paused: false } }),
  }
}

/** An operator that may not read its queue. */
async function operatorWithoutRights(t: TestContext): Promise<Part & { stop: () => Promise<void> }> {
  const lab = await startEventsLab(t)
  const { metricsPort = 0, stop } = await lab.operate(lab.transport)
  return {
    targets: [{ app: 'keymount-operator', port: metricsPort }],
    stop,
    async recover() {
      await lab.createClass('app', ['db'])
      await lab.allow()
      for (const name of ['db', 'of-others']) await lab.send({ id: name, name })
    },
  }
}

/** A webhook that serves a certificate of two days, and cannot read service accounts. */
async function webhookInTrouble(t: TestContext): Promise<Part> {
  const lab = await startWebhookLab(t)
  const { key, certificate } = createOpenssl(t).certificate('webhook', { hosts: [host] })
  const directory = temporaryDirectory(t, 'webhook-')
  writeFileSync(join(directory, 'tls.key'), key)
  writeFileSync(join(directory, 'tls.crt'), certificate)
  const kube = {
    ...lab.kube,
    get: () => Promise.reject(new Error('the API server does not answer')),
  }
  const { port, metricsPort } = await lab.start(
    { certificates: { kind: 'files', directory }, serviceAccountSelector: 'never=matches' },
    { kube },
  )
  return {
    targets: [{ app: 'workload-identity-webhook', port: metricsPort ?? 0 }],
    disturb: () => lab.post(port, podReview(samplePod), { ca: certificate }),
  }
}

/** Metrics of a part whose daemon the test runs in its own process, over HTTP as the daemon serves them. */
async function served(t: TestContext, app: string, text: () => string): Promise<Target> {
  const { port, stop } = await serveMetrics({ host: '127.0.0.1', port: 0 }, text)
  t.after(stop)
  return { app, port }
}
