import { noTracer } from '#lib'
import type { Environment } from '#lib/flags'
import type { Tracing, TracingOptions } from './open-telemetry.ts'

const none: Tracing = { tracer: noTracer, stop: async () => {} }

/**
 * Traces by OTLP over HTTP to the collector that OTEL_EXPORTER_OTLP_ENDPOINT (or …_TRACES_ENDPOINT) names; the other variables
 * of the OpenTelemetry SDK apply too. Without it no code of the SDK is loaded. A collector that cannot be used never keeps a daemon from
 * starting. https://opentelemetry.io/docs/specs/otel/protocol/exporter/
 */
export async function startTracing(env: Environment, options: TracingOptions): Promise<Tracing> {
  const url = tracesUrl(env)
  if (url === undefined || /^true$/i.test(env.OTEL_SDK_DISABLED ?? '')) return none
  try {
    const { href, protocol } = new URL(url)
    if (!/^https?:$/.test(protocol)) throw new Error(`found ${url}, expected http:// or https://`)
    const { startOpenTelemetry } = await import('./open-telemetry.ts')
    return await startOpenTelemetry(href, options)
  } catch (error) {
    options.log.warn({ err: error, endpoint: url }, 'traces are not sent')
    return none
  }
}

function tracesUrl({
  OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: ofTraces = '',
  OTEL_EXPORTER_OTLP_ENDPOINT: ofAll = '',
}: Environment): string | undefined {
  if (ofTraces !== '') return ofTraces
  return ofAll === '' ? undefined : `${ofAll.replace(/\/$/, '')}/v1/traces`
}
