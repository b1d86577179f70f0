import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { credentials, Metadata, type ServiceError } from '@grpc/grpc-js'
import { checkHealth, type ServingStatus } from '#kubernetes/grpc'
import {
  CSIDriverProviderClient,
  type MountRequest,
  type MountResponse,
  type VersionResponse,
} from '#kubernetes/provider-protocol'
import { type ProviderConfig, type RunningProvider, startProvider as start } from '#product/provider'
import { createLeakDetector, type LeakDetector } from './leak-detector.ts'
import { readMetrics } from './metrics.ts'
import { temporaryDirectory } from './temporary-directory.ts'

export interface MountCallOptions {
  timeoutMs?: number
  /** Called with the trailing metadata of the answer. */
  onTrailer?: (trailer: Metadata) => void
}

/** The calls of the provider protocol; they reject with grpc-js's ServiceError. */
export interface ProviderCalls {
  mount(request: Partial<MountRequest>, options?: MountCallOptions): Promise<MountResponse>
  version(): Promise<VersionResponse>
  health(): Promise<ServingStatus>
}

export interface TestProvider extends ProviderCalls {
  socketPath: string
  running: RunningProvider
}

/** Starts the provider on a socket of its own, and calls it as the driver does. The test fails when it prints a secret. */
export async function startProvider(t: TestContext, overrides: Partial<ProviderConfig> = {}): Promise<TestProvider> {
  const directory = temporaryDirectory(t, 'keymount-provider-')
  const socketPath = join(directory, 'azure.sock')
  const leaks = createLeakDetector()
  const running = await start({
    endpoint: { kind: 'unix', path: socketPath },
    version: 'v0.0.0-test',
    log: leaks.log,
    metricsAddress: { host: '127.0.0.1', port: 0 },
    cloud: { cloudName: '', cloudFile: '', cloudFiles: '' },
    defaultTenantId: '',
    http: {},
    ...overrides,
  })
  t.after(async () => {
    if (running.metricsPort !== undefined) leaks.addOutput((await readMetrics(running.metricsPort)).text)
    await running.stop()
    leaks.assertNone()
  })
  return { socketPath, running, ...connectProvider(t, socketPath, leaks) }
}

/**
 * A client as the driver is one: authority `localhost`, no retries.
 * @param leaks collects the secrets of the calls and the texts of their errors.
 */
export function connectProvider(t: TestContext, socketPath: string, leaks?: LeakDetector): ProviderCalls {
  const options = { 'grpc.default_authority': 'localhost', 'grpc.enable_retries': 0 }
  const client = new CSIDriverProviderClient(`unix:${socketPath}`, credentials.createInsecure(), options)
  t.after(() => client.close())
  const answer = <T>(call: (respond: (error: ServiceError | null, response: T) => void) => void): Promise<T> =>
    new Promise((resolve, reject) => call((error, response) => (error === null ? resolve(response) : reject(error))))
  return {
    async mount(request, { timeoutMs = 110_000, onTrailer } = {}) {
      leaks?.addSecretsOf(request)
      try {
        const deadline = Date.now() + timeoutMs
        const response = await answer<MountResponse>((respond) => {
          const call = client.mount({ ...emptyRequest, ...request }, new Metadata(), { deadline }, respond)
          call.on('status', ({ metadata }) => onTrailer?.(metadata))
        })
        leaks?.addFilesOf(response)
        return response
      } catch (error) {
        leaks?.addOutput((error as ServiceError).details)
        throw error
      }
    },
    version: () => answer<VersionResponse>((respond) => client.version({ version: 'v1alpha1' }, respond)),
    health: () => checkHealth(`unix:${socketPath}`, { timeoutMs: 2000 }),
  }
}

const emptyRequest: MountRequest = {
  attributes: '{}',
  secrets: 'null',
  targetPath: '/var/lib/kubelet/pods/uid/volumes/kubernetes.io~csi/secrets/mount',
  permission: '420',
  currentObjectVersion: [],
}

/** Attributes as the driver sends them: the class's parameters with the pod's particulars. */
export function attributes(parameters: Record<string, string>, tokens?: Record<string, string>): string {
  const audiences = Object.entries(tokens ?? {}).map(([audience, token]) => [
    audience,
    { token, expirationTimestamp: '2030-01-01T00:00:00Z' },
  ])
  return JSON.stringify({
    'csi.storage.k8s.io/pod.name': 'app-0',
    'csi.storage.k8s.io/pod.namespace': 'default',
    'csi.storage.k8s.io/pod.uid': '0b8a6a3e-5b1c-4a6e-9c38-000000000001',
    'csi.storage.k8s.io/serviceAccount.name': 'app',
    secretProviderClass: 'app',
    ...(tokens === undefined
      ? {}
      : { 'csi.storage.k8s.io/serviceAccount.tokens': JSON.stringify(Object.fromEntries(audiences)) }),
    ...parameters,
  })
}

/** The `objects` parameter in upstream's form: YAML texts in a YAML list. */
export function objectsOf(...objects: Record<string, string | number>[]): string {
  const entries = objects.map((object) => {
    const lines = Object.entries(object).map(([name, value]) => `      ${name}: ${value}`)
    return `  - |\n${lines.join('\n')}`
  })
  return `array:\n${entries.join('\n')}\n`
}

/** The gRPC error of a call that must fail. */
export async function failureOf(call: Promise<unknown>): Promise<ServiceError> {
  try {
    await call
  } catch (error) {
    return error as ServiceError
  }
  throw new Error('the call succeeded')
}
