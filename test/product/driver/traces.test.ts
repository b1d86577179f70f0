/** Traces of driver and provider, as a collector gets them: OTLP over HTTP. */
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { registerHooks } from 'node:module'
import { dirname } from 'node:path'
import { json } from 'node:stream/consumers'
import { type TestContext, test } from 'node:test'
import { startTracing } from '#daemon'
import { createLog, noTracer, silentLog } from '#lib'
import { startDriver, type TestDriver } from '../../support/driver.ts'
import { until } from '../../support/eventually.ts'
import { loopbackPort } from '../../support/loopback-port.ts'
import { objectsOf } from '../../support/provider.ts'
import { appSubject, clusterOf, type ProviderLab, startProviderLab } from '../../support/provider-lab.ts'

const loaded: string[] = []
registerHooks({
  resolve(specifier, context, next) {
    loaded.push(specifier)
    return next(specifier, context)
  },
})

interface OtlpSpan {
  traceId: string
  spanId: string
  parentSpanId?: string
  name: string
  kind: number
  attributes: { key: string; value: { stringValue?: string } }[]
  status: { code?: number; message?: string }
}

interface Collector {
  url: string
  /** What was received, as text and as spans with the name of their service. */
  text(): string
  spans(): (OtlpSpan & { service: string })[]
}

async function startCollector(t: TestContext): Promise<Collector> {
  const received: object[] = []
  const server = createServer(async (request, response) => {
    assert.equal(request.url, '/v1/traces')
    received.push((await json(request)) as object)
    response.setHeader('content-type', 'application/json').end('{}')
  })
  return {
    url: `http://127.0.0.1:${await loopbackPort(t, server)}`,
    text: () => JSON.stringify(received),
    spans: () => (received as OtlpRequest[]).flatMap(({ resourceSpans }) => resourceSpans.flatMap(spansOf)),
  }
}

interface OtlpRequest {
  resourceSpans: ResourceSpans[]
}

interface ResourceSpans {
  resource: { attributes: OtlpSpan['attributes'] }
  scopeSpans: { spans: OtlpSpan[] }[]
}

function spansOf({ resource, scopeSpans }: ResourceSpans) {
  const service = attribute(resource.attributes, 'service.name')
  return scopeSpans.flatMap(({ spans }) => spans.map((span) => ({ ...span, service })))
}

const attribute = (attributes: OtlpSpan['attributes'], name: string) =>
  attributes.find(({ key }) => key === name)?.value.stringValue ?? ''

const audience = 'api://AzureADTokenExchange'

/** A volume of the class `app`, published with the pod's token, which it gives back. */
async function publish(driver: TestDriver, { issuer }: ProviderLab): Promise<string> {
  const { request } = await driver.pod({ name: 'web', className: 'app' })
  const token = await issuer.token(appSubject, { aud: [audience] })
  const tokens = { [audience]: { token, expirationTimestamp: '2036-01-01T00:00:00Z' } }
  const volumeContext = {
    ...request.volumeContext,
    'csi.storage.k8s.io/serviceAccount.name': 'app',
    'csi.storage.k8s.io/serviceAccount.tokens': JSON.stringify(tokens),
  }
  await driver.publish({ ...request, volumeContext })
  return token
}

async function startTraced(t: TestContext, collector: Collector) {
  const env = { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url }
  const options = (service: string) => ({ service, version: 'v0.0.0-test', log: silentLog })
  const ofProvider = await startTracing(env, options('keymount-provider'))
  const ofDriver = await startTracing(env, options('keymount-driver'))
  const lab = await startProviderLab(t)
  const { clientId } = await lab.createReadableVault('traced')
  await lab.azure.setSecret('traced', 'db', 'never in a trace')
  const provider = await lab.startProvider({ kube: clusterOf(lab.issuer), tracer: ofProvider.tracer })
  const directory = dirname(provider.socketPath)
  const driver = await startDriver(t, {
    flags: [`--additional-provider-volume-paths=${directory}`],
    tracer: ofDriver.tracer,
  })
  await driver.createClass('app', {
    provider: 'azure',
    parameters: {
      keyvaultName: 'traced',
      clientID: clientId,
      tenantID: lab.azure.administrator.tenantId,
      objects: objectsOf({ objectName: 'db', objectType: 'secret' }),
    },
  })
  const flush = async () => {
    await ofDriver.stop()
    await ofProvider.stop()
  }
  return { lab, driver, flush }
}

test('a mount is one trace of driver and provider: mount, sign-in and read, without a value or a token', async (t) => {
  const collector = await startCollector(t)
  const { lab, driver, flush } = await startTraced(t, collector)
  const token = await publish(driver, lab)
  await flush()
  const spans = collector.spans()
  const mount = spans.find(({ service, name }) => service === 'keymount-driver' && name === 'mount') ?? assert.fail()
  assert.equal(mount.parentSpanId || undefined, undefined)
  assert.deepEqual(
    [attribute(mount.attributes, 'keymount.pod'), attribute(mount.attributes, 'keymount.class')],
    ['default/web', 'app'],
  )
  const ofTrace = spans.filter(({ traceId }) => traceId === mount.traceId)
  const named = (name: string) => ofTrace.find((span) => span.name === name) ?? assert.fail(`a span ${name}`)
  const ofProvider = named('provider mount')
  assert.equal(ofProvider.parentSpanId, mount.spanId)
  const ids = new Set(ofTrace.map(({ spanId }) => spanId))
  for (const name of ['read', 'sign-in']) assert.ok(ids.has(named(name).parentSpanId ?? ''), name)
  assert.equal(attribute(named('read').attributes, 'keymount.vault'), 'traced.vault.azure.net')
  assert.equal(attribute(named('sign-in').attributes, 'keymount.kind'), 'workload')
  assert.ok(!collector.text().includes('never in a trace'))
  assert.ok(!collector.text().includes(token.split('.')[2] ?? token))
})

test('a mount that fails has the codes of its errors in the trace, and no text', async (t) => {
  const collector = await startCollector(t)
  const { lab, driver, flush } = await startTraced(t, collector)
  await lab.azure.control('PUT', '/faults/traced.vault.azure.net', { kind: 'error', status: 403 })
  await assert.rejects(publish(driver, lab))
  await flush()
  const read = collector.spans().find(({ name }) => name === 'read') ?? assert.fail()
  assert.deepEqual([read.status.code, read.status.message ?? ''], [2, ''])
  assert.match(attribute(read.attributes, 'error.type'), /^vault-/)
  assert.equal(collector.spans().find(({ name }) => name === 'mount')?.status.code, 2)
})

test('no log has what the address of the collector has beside its host: user, password, path and query are often keys', async () => {
  for (const address of [
    'http://user:canary@127.0.0.1:1/canary?key=canary',
    'ftp://user:canary@127.0.0.1/canary',
    'http://user:canary@ 127.0.0.1',
    'canary',
  ]) {
    const log: string[] = []
    const stream = { write: (line: string) => log.push(line) }
    for (const variable of ['OTEL_EXPORTER_OTLP_ENDPOINT', 'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT']) {
      const options = { service: 's', version: 'v', log: createLog({ name: 'test', stream }) }
      const { tracer, stop } = await startTracing({ [variable]: address }, options)
      await tracer.span({ name: 'one', kind: 'client' }, async () => {})
      await stop()
    }
    assert.match(log.join(''), /"endpoint":"http:\/\/127\.0\.0\.1:1"|_ENDPOINT is not an address/)
    assert.doesNotMatch(log.join(''), /canary/)
  }
})

test('a collector that is away delays no mount and ends no daemon, and the log has one line', async () => {
  const log: string[] = []
  const tracing = await startTracing(
    { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://127.0.0.1:9/v1/traces' },
    { service: 's', version: 'v', log: createLog({ name: 'test', stream: { write: (line) => log.push(line) } }) },
  )
  assert.equal(await tracing.tracer.span({ name: 'mount', kind: 'server' }, async () => 'done'), 'done')
  await tracing.stop() // does not wait for the attempts of the exporter
  await until('the line', () => log.filter((line) => line.includes('spans were not sent')).length === 1)
})

test('without an endpoint, or with an unusable one, nothing is traced; without one no code of OpenTelemetry is loaded', async () => {
  loaded.length = 0
  const options = { service: 's', version: 'v', log: silentLog }
  assert.equal((await startTracing({}, options)).tracer, noTracer)
  const disabled = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:4318', OTEL_SDK_DISABLED: 'true' }
  assert.equal((await startTracing(disabled, options)).tracer, noTracer)
  assert.deepEqual(
    loaded.filter((name) => name.includes('open-telemetry') || name.includes('@opentelemetry')),
    [],
  )
  assert.equal((await startTracing({ OTEL_EXPORTER_OTLP_ENDPOINT: 'collector:' }, options)).tracer, noTracer)
})
