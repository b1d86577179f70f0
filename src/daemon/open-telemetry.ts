import { AsyncLocalStorage } from 'node:async_hooks'
import type { Context, Span, SpanContext } from '@opentelemetry/api'
import type { SpanExporter } from '@opentelemetry/sdk-trace-base'
import { CodedError, type Log, type Running, type Tracer } from '#lib'
import { untilAborted } from '#lib/async'

/** A tracer, and what sends the last spans when the daemon stops. */
export interface Tracing extends Running {
  tracer: Tracer
}

export interface TracingOptions {
  /** `service.name`, unless OTEL_SERVICE_NAME has another. */
  service: string
  version: string
  log: Log
}

/** Classes and pods choose the attributes. */
const maxAttributeLength = 256

/** Longest time that a daemon waits at its end until the last spans are sent. */
const flushMs = 2000

/** A collector that is away gives one line in this time. */
const reportEveryMs = 300_000

/** The only file that loads the OpenTelemetry SDK, which nothing imports unless an endpoint is set. */
export async function startOpenTelemetry(url: URL, { service, version, log }: TracingOptions): Promise<Tracing> {
  const api = await import('@opentelemetry/api')
  const { BasicTracerProvider, BatchSpanProcessor } = await import('@opentelemetry/sdk-trace-base')
  const { OTLPTraceExporter } = await import('@opentelemetry/exporter-trace-otlp-http')
  const { detectResources, envDetector, resourceFromAttributes } = await import('@opentelemetry/resources')
  const own = resourceFromAttributes({ 'service.name': service, 'service.version': version })
  const exporter = reporting(new OTLPTraceExporter({ url: url.href }), log)
  const provider = new BasicTracerProvider({
    resource: own.merge(detectResources({ detectors: [envDetector] })),
    spanLimits: { attributeValueLengthLimit: maxAttributeLength },
    spanProcessors: [new BatchSpanProcessor(exporter)],
  })
  const tracer = createTracer(api, provider.getTracer('keymount', version))
  log.info({ endpoint: url.origin }, 'traces are sent')
  return {
    tracer,
    stop: () => untilAborted(provider.shutdown(), AbortSignal.timeout(flushMs)).catch(() => undefined),
  }
}

type Api = typeof import('@opentelemetry/api')

function createTracer(api: Api, inner: ReturnType<Api['trace']['getTracer']>): Tracer {
  const current = new AsyncLocalStorage<Context>()
  const kinds = { server: api.SpanKind.SERVER, client: api.SpanKind.CLIENT }
  return {
    span({ name, kind, attributes = {}, parent }, run) {
      const remote = parent === undefined ? undefined : parseTraceparent(parent)
      const around =
        remote === undefined
          ? (current.getStore() ?? api.ROOT_CONTEXT)
          : api.trace.setSpanContext(api.ROOT_CONTEXT, remote)
      const named = Object.fromEntries(Object.entries(attributes).map(([key, value]) => [`keymount.${key}`, value]))
      const span = inner.startSpan(name, { kind: kinds[kind], attributes: named }, around)
      return current.run(api.trace.setSpan(around, span), () => ended(api, span, run))
    },
    parent() {
      const context = current.getStore()
      const span = context && api.trace.getSpanContext(context)
      return span && traceparent(span)
    },
  }
}

async function ended<T>(api: Api, span: Span, run: () => Promise<T>): Promise<T> {
  try {
    return await run()
  } catch (error) {
    // The text of an error is for the log and the event of the pod: it names objects.
    span.setAttribute('error.type', error instanceof CodedError ? String(error.code) : 'error')
    span.setStatus({ code: api.SpanStatusCode.ERROR })
    throw error
  } finally {
    span.end()
  }
}

/** https://www.w3.org/TR/trace-context/#traceparent-header */
function parseTraceparent(header: string): SpanContext | undefined {
  const [, traceId, spanId, flags] = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/.exec(header) ?? []
  if (traceId === undefined || spanId === undefined || flags === undefined) return undefined
  return { traceId, spanId, traceFlags: Number.parseInt(flags, 16), isRemote: true }
}

function traceparent({ traceId, spanId, traceFlags }: SpanContext): string {
  return `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, '0')}`
}

/** The exporter, with a line in the log for spans that could not be sent. */
function reporting(exporter: SpanExporter, log: TracingOptions['log']): SpanExporter {
  let reportedAt = Number.NEGATIVE_INFINITY
  return {
    export(spans, done) {
      exporter.export(spans, (result) => {
        if (result.error !== undefined && performance.now() - reportedAt > reportEveryMs) {
          reportedAt = performance.now()
          log.warn({ err: result.error.message, spans: spans.length }, 'spans were not sent')
        }
        done(result)
      })
    },
    shutdown: () => exporter.shutdown(),
  }
}
