/** What a span is about. Attributes never hold values of secrets or tokens. */
export interface SpanSpec {
  name: string
  /** `server`: answers a request of another process; `client`: sends one. */
  kind: 'server' | 'client'
  attributes?: Readonly<Record<string, string>> | undefined
  /** Header `traceparent` of the request that is answered. Default: the span that this one runs in. */
  parent?: string | undefined
}

/** Spans of distributed traces. Without a collector it is {@link noTracer}, which does nothing. */
export interface Tracer {
  /** Runs `run` in a span that ends with it. One that fails has the code of its error and no text. */
  span<T>(spec: SpanSpec, run: () => Promise<T>): Promise<T>
  /** Header `traceparent` for a request that is sent now; undefined outside of a span. https://www.w3.org/TR/trace-context/ */
  parent(): string | undefined
}

export const noTracer: Tracer = { span: (_, run) => run(), parent: () => undefined }
