import { randomUUID } from 'node:crypto'
import { type Clock, errorMessage, type Log } from '#lib'
import { Refusal } from '../http/refusal.ts'
import type { Cloud } from '../proxy/clouds.ts'
import type { ArmCall, ArmOperation } from './operation.ts'

export interface LongOperation {
  name: string
  status: 'InProgress' | 'Succeeded' | 'Failed'
  startTime: string
  endTime?: string | undefined
  error?: { code: string; message: string } | undefined
}

/**
 * Work that continues after its request was answered, and whose status clients poll. It is lost when the process ends:
 * the code that starts work marks its own records, and resumes or fails them at the next start.
 * https://learn.microsoft.com/azure/azure-resource-manager/management/async-operations
 */
export interface LongOperations {
  /** Begins `work`, which may throw {@link Refusal} as the reason of its failure. Returns headers with the URL of its status. */
  start(provider: string, location: string, work: (signal: AbortSignal) => Promise<void>): Record<string, string>
  /** The same for work whose result clients poll, as for Resource Manager's own operations: 202 until it is done. */
  startForResult(work: (signal: AbortSignal) => Promise<void>): Record<string, string>
  get(name: string): LongOperation | undefined
  /** Aborts the running work and waits for its end. */
  stop(): Promise<void>
}

export interface LongOperationsOptions {
  cloud: Cloud
  subscriptionId: string
  clock: Clock
  log: Log
}

/** Without it, clients wait half a minute between polls. */
const pollSoon = { 'retry-after': '1' }

/** Operations whose status is available; older ones are dropped. */
const maxOperations = 1000

export function createLongOperations({ cloud, subscriptionId, clock, log }: LongOperationsOptions): LongOperations {
  const operations = new Map<string, LongOperation>()
  const running = new Set<Promise<void>>()
  const stopping = new AbortController()
  const nowText = () => new Date(clock.now()).toISOString()

  async function run(operation: LongOperation, work: (signal: AbortSignal) => Promise<void>): Promise<void> {
    try {
      await work(stopping.signal)
      operation.status = 'Succeeded'
    } catch (error) {
      log.warn({ err: error }, 'a long operation failed')
      operation.error = failureOf(error)
      operation.status = 'Failed'
    }
    operation.endTime = nowText()
  }

  /** Returns the operation's name. */
  function begin(work: (signal: AbortSignal) => Promise<void>): string {
    const operation: LongOperation = { name: randomUUID(), status: 'InProgress', startTime: nowText() }
    operations.set(operation.name, operation)
    const [oldest] = operations.keys()
    if (operations.size > maxOperations && oldest !== undefined) operations.delete(oldest)
    const done = run(operation, work).finally(() => running.delete(done))
    running.add(done)
    return operation.name
  }
  const urlOf = (path: string) =>
    `https://${cloud.resourceManager}/subscriptions/${subscriptionId}/${path}?api-version=2024-01-01`

  return {
    start(provider, location, work) {
      const path = `providers/${provider}/locations/${location}/operations/${begin(work)}`
      return { 'azure-asyncoperation': urlOf(path), ...pollSoon }
    },
    startForResult: (work) => ({ location: urlOf(`operationresults/${begin(work)}`), ...pollSoon }),
    get: (name) => operations.get(name.toLowerCase()),
    async stop() {
      stopping.abort()
      await Promise.all(running)
    },
  }
}

/** The error of failed work, for clients. */
export function failureOf(error: unknown): { code: string; message: string } {
  return { code: error instanceof Refusal ? error.code : 'InternalServerError', message: errorMessage(error) }
}

/** The status URLs that clients poll. */
export function longOperationOperations(longOperations: LongOperations): ArmOperation[] {
  function existing(call: ArmCall): LongOperation {
    const operation = longOperations.get(call.name('name'))
    if (operation !== undefined) return operation
    throw new Refusal(404, 'OperationNotFound', `The operation '${call.name('name')}' was not found.`)
  }

  return [
    {
      operation: 'arm.operation.getResult',
      method: 'GET',
      path: '/subscriptions/:subscription/operationresults/:name',
      action: 'filtered',
      run(call) {
        const { status, error } = existing(call)
        if (status === 'InProgress') return { status: 202, headers: { location: call.url.href, ...pollSoon } }
        if (error === undefined) return { status: 200 }
        throw new Refusal(409, error.code, error.message)
      },
    },
    {
      operation: 'arm.operation.get',
      method: 'GET',
      path: '/subscriptions/:subscription/providers/:provider/locations/:location/operations/:name',
      // Any caller may poll it, as its random name cannot be guessed.
      action: 'filtered',
      run(call) {
        const operation = existing(call)
        return { status: 200, body: operation, headers: operation.status === 'InProgress' ? pollSoon : undefined }
      },
    },
  ]
}
