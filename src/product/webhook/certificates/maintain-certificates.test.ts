import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { KubeClient, Secret } from '#kubernetes/client'
import { silentLog } from '#lib'
import { createManualClock } from '../../../../test/support/manual-clock.ts'
import { secretWith } from './certificate-secret.ts'
import { issueServingCertificate } from './issue-serving-certificate.ts'
import { maintainCertificates } from './maintain-certificates.ts'
import type { ServingCertificate } from './serving-certificate.ts'
import { mutatingConfigurations, type WebhookConfiguration } from './webhook-configuration.ts'

const rule = { apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['pods'], scope: '*' } as const
const service = { name: 'webhook', namespace: 'system' }
const host = 'webhook.system.svc'

/** A replica that starts when its cluster has this certificate, and a configuration that trusts these authorities. */
function startReplica(t: TestContext, certificate: ServingCertificate, authorities: readonly string[]) {
  const clock = createManualClock()
  const emptySecret: Secret = { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'certificate' } }
  const caBundle = Buffer.from(authorities.join('')).toString('base64')
  const configuration: WebhookConfiguration = {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'MutatingWebhookConfiguration',
    metadata: { name: 'webhook' },
    webhooks: [{ name: 'pods', clientConfig: { service, caBundle }, rules: [rule] }],
  }
  const kube = {
    async list({ plural }: { plural: string }) {
      const object = plural === 'secrets' ? secretWith(emptySecret, certificate) : configuration
      return { items: [object], resourceVersion: '1' }
    },
    async *watch(_: unknown, { signal }: { signal: AbortSignal }) {
      await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
    },
    clockOffsetMs: () => 0,
  } as unknown as KubeClient
  const served: string[] = []
  const running = maintainCertificates({
    kube,
    log: silentLog,
    clock,
    service,
    secretName: 'certificate',
    configurations: [{ resource: mutatingConfigurations, name: 'webhook', rule, required: true }],
    propagationMs: 30_000,
    onCertificate: ({ cert }) => void served.push(cert),
    canServe: Promise.resolve(),
    onRegistered: () => undefined,
    onClock: () => undefined,
  })
  t.after(running.stop)
  return { clock, served }
}

const issuedAgo = (ms: number) => issueServingCertificate({ host, now: createManualClock().now() - ms })

test('a replica that starts right after a renewal waits until the API servers trust the new certificate', async (t) => {
  const [old, renewed] = [await issuedAgo(86_400_000), await issuedAgo(1000)]
  const { clock, served } = startReplica(t, renewed, [old.ca, renewed.ca])
  await clock.advance(29_000)
  assert.deepEqual(served, [])
  await clock.advance(1000)
  assert.deepEqual(served, [renewed.cert])
})

test('a replica that starts long after a renewal, or at the first installation, serves at once', async (t) => {
  const [old, renewed] = [await issuedAgo(86_400_000), await issuedAgo(3_600_000)]
  const later = startReplica(t, renewed, [old.ca, renewed.ca])
  await later.clock.advance(0)
  assert.deepEqual(later.served, [renewed.cert])

  const only = await issuedAgo(1000)
  const first = startReplica(t, only, [only.ca])
  await first.clock.advance(0)
  assert.deepEqual(first.served, [only.cert])
})
