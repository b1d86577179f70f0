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
  const endpoint = endpointIn(env)
  if (endpoint === undefined || /^true$/i.test(env.OTEL_SDK_DISABLED ?? '')) return none
  const { variable, text } = endpoint
  try {
    const url = URL.canParse(text) ? new URL(text) : undefined
    // Its user, path and query may be what the collector knows us by: they are in no log.
    if (url === undefined || !/^https?:$/.test(url.protocol))
      throw new Error(`${variable} is not an address; expected http://HOST or https://HOST`)
    const { startOpenTelemetry } = await import('./open-telemetry.ts')
    return await startOpenTelemetry(url, options)
  } catch (error) {
    options.log.warn({ err: error }, 'traces are not sent')
    return none
  }
}

function endpointIn(env: Environment): { variable: string; text: string } | undefined {
  const [ofTraces, ofAll] = ['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT', 'OTEL_EXPORTER_OTLP_ENDPOINT'] as const
  const { [ofTraces]: own = '', [ofAll]: all = '' } = env
  if (own !== '') return { variable: ofTraces, text: own }
  return all === '' ? undefined : { variable: ofAll, text: `${all.replace(/\/$/, '')}/v1/traces` }
}
