import { Worker } from 'node:worker_threads'
import { errorCode, errorMessage } from '#lib'
import { createTurnQueue, type TurnQueue } from '#lib/async'
import type { TaskRequest, ThreadMessage } from './messages.ts'
import { TaskError, type TaskErrorCode, type TaskRunner } from './task.ts'

import { workerEntry } from './worker-entry.ts'

export interface WorkerPoolOptions {
  /** File of the threads, which calls `serveTasks`. Default {@link workerEntry}. */
  entry?: string | undefined
  /** Threads at once. Started when there is work for them. Default 2. */
  threads?: number | undefined
  /** JavaScript heap of one thread, in MiB. Default 64. */
  heapMib?: number | undefined
  /** Longest time of one task, in milliseconds. Default 5,000. */
  timeoutMs?: number | undefined
  /** Tasks that may wait, of which one owner gets a quarter; further ones are refused. Default 100. */
  maxQueued?: number | undefined
  /** Longest time that a task waits for a thread, in milliseconds. Default 30,000. */
  maxWaitMs?: number | undefined
  /** A thread without work for this long is ended, which gives its memory back; in milliseconds. Default 30,000. */
  idleMs?: number | undefined
}

interface Job {
  request: TaskRequest
  owner: string
  resolve(output: unknown): void
  reject(reason: unknown): void
}

interface Thread {
  worker: Worker
  state: 'starting' | 'working' | 'idle' | 'ending'
  /** Undefined when idle or ending. */
  job: Job | undefined
  /** Limit of the current state. */
  timer: NodeJS.Timeout | undefined
}

/** Longest time until a new thread takes work, on a machine that is very busy. */
const startMs = 60_000

interface Pool {
  options: { [K in keyof WorkerPoolOptions]-?: NonNullable<WorkerPoolOptions[K]> }
  waiting: TurnQueue<Job>
  /** Every thread that has not ended. One that is ending may still be inside of a long native call. */
  threads: Set<Thread>
  stopped: boolean
}

/**
 * Runs tasks in threads of their own, with limits of memory and time: input that a tenant wrote costs at most one thread, and
 * the event loop of the program never waits for it. A thread that breaks a limit is ended, its task is rejected, and the next
 * task gets a new one.
 *
 * Memory outside of the JavaScript heap (buffers) is not limited: bound the size of the input.
 */
export function createWorkerPool(options: WorkerPoolOptions = {}): TaskRunner {
  const pool: Pool = {
    options: {
      entry: options.entry ?? workerEntry(),
      threads: options.threads ?? 2,
      heapMib: options.heapMib ?? 64,
      timeoutMs: options.timeoutMs ?? 5000,
      maxQueued: options.maxQueued ?? 100,
      maxWaitMs: options.maxWaitMs ?? 30_000,
      idleMs: options.idleMs ?? 30_000,
    },
    waiting: createTurnQueue(),
    threads: new Set(),
    stopped: false,
  }
  return {
    run: ({ name }, input, { owner = '', signal } = {}) => runTask(pool, { name, input }, owner, signal),
    stop: () => stopPool(pool),
  }
}

function runTask<O>(pool: Pool, request: TaskRequest, owner: string, signal: AbortSignal | undefined): Promise<O> {
  return new Promise<O>((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason)
    if (pool.stopped) return reject(new TaskError('task-thread-lost', 'the worker threads have been stopped'))
    const { maxQueued } = pool.options
    if (pool.waiting.size >= maxQueued || pool.waiting.sizeOf(owner) >= Math.ceil(maxQueued / 4)) {
      const text = `${pool.waiting.size} tasks are waiting for a worker thread already, ${pool.waiting.sizeOf(owner)} of them of this owner`
      return reject(new TaskError('task-queue-full', text, { retryable: true }))
    }
    const leave = () => finish(() => reject(signal?.reason))
    const tooLate = setTimeout(() => {
      if (!pool.waiting.remove(job)) return
      const text = `no worker thread was free within ${pool.options.maxWaitMs / 1000} s`
      job.reject(new TaskError('task-queue-full', text, { retryable: true }))
    }, pool.options.maxWaitMs)
    const finish = (end: () => void) => {
      clearTimeout(tooLate)
      signal?.removeEventListener('abort', leave)
      pool.waiting.remove(job)
      end()
    }
    const job: Job = {
      request,
      owner,
      resolve: (output) => finish(() => resolve(output as O)),
      reject: (reason) => finish(() => reject(reason)),
    }
    signal?.addEventListener('abort', leave, { once: true })
    pool.waiting.add(job)
    dispatch(pool)
  })
}

/** Gives waiting jobs to threads, as many as there are. */
function dispatch(pool: Pool): void {
  while (!pool.stopped && hasRoom(pool)) {
    const job = nextJob(pool)
    if (job === undefined) return
    const idle = [...pool.threads].findLast(({ state }) => state === 'idle')
    if (idle === undefined) startThread(pool, job)
    else work(pool, idle, job)
  }
}

/** Threads that are ending and have not ended yet may be as many again. */
function hasRoom({ threads, options }: Pool): boolean {
  const busy = [...threads].filter(({ job }) => job !== undefined).length
  const ending = [...threads].filter(({ state }) => state === 'ending').length
  return busy < options.threads && busy + ending < 2 * options.threads
}

/** An owner that has all threads but one waits, unless there is only one thread. */
function nextJob({ waiting, threads, options }: Pool): Job | undefined {
  const share = Math.max(1, options.threads - 1)
  return waiting.next((owner) => [...threads].filter(({ job }) => job?.owner === owner).length < share)
}

function startThread(pool: Pool, job: Job): void {
  const { entry, heapMib } = pool.options
  const worker = new Worker(entry, {
    env: {},
    resourceLimits: { maxOldGenerationSizeMb: heapMib, maxYoungGenerationSizeMb: 8, stackSizeMb: 4 },
  })
  const thread: Thread = { worker, state: 'starting', job, timer: undefined }
  pool.threads.add(thread)
  limit(thread, startMs, () => lose(pool, thread, 'task-thread-lost', 'the worker thread did not start in time'))
  worker.on('message', (message: ThreadMessage) => onMessage(pool, thread, message))
  worker.on('error', (error) => onError(pool, thread, error))
  worker.on('exit', () => {
    lose(pool, thread, 'task-thread-lost', 'the worker thread ended by itself')
    pool.threads.delete(thread)
    dispatch(pool)
  })
}

function onMessage(pool: Pool, thread: Thread, message: ThreadMessage): void {
  const { job } = thread
  if (job === undefined) return
  if (message.kind === 'ready') work(pool, thread, job)
  else {
    rest(pool, thread)
    if (message.kind === 'done') job.resolve(message.output)
    else job.reject(new TaskError('task-failed', message.message))
    dispatch(pool)
  }
}

function onError(pool: Pool, thread: Thread, error: unknown): void {
  if (errorCode(error) === 'ERR_WORKER_OUT_OF_MEMORY') {
    const text = `${thread.job?.request.name} needed more than ${pool.options.heapMib} MiB of memory`
    lose(pool, thread, 'task-out-of-memory', text)
  } else lose(pool, thread, 'task-thread-lost', `the worker thread failed: ${errorMessage(error)}`)
}

function work(pool: Pool, thread: Thread, job: Job): void {
  const { timeoutMs } = pool.options
  thread.state = 'working'
  thread.job = job
  thread.worker.ref()
  limit(thread, timeoutMs, () => {
    const text = `${job.request.name} took longer than ${timeoutMs / 1000} s and was ended`
    lose(pool, thread, 'task-timeout', text)
  })
  thread.worker.postMessage(job.request)
}

/** Leaves a thread without work, for the next job or its end. */
function rest(pool: Pool, thread: Thread): void {
  thread.state = 'idle'
  thread.job = undefined
  thread.worker.unref()
  limit(thread, pool.options.idleMs, () => end(thread))
  thread.timer?.unref()
}

/** Ends a thread and rejects the job that it had. */
function lose(pool: Pool, thread: Thread, code: TaskErrorCode, text: string): void {
  const { job } = thread
  end(thread)
  job?.reject(new TaskError(code, text))
  dispatch(pool)
}

function end(thread: Thread): void {
  if (thread.state === 'ending') return
  clearTimeout(thread.timer)
  thread.state = 'ending'
  thread.job = undefined
  thread.worker.unref()
  void thread.worker.terminate()
}

function limit(thread: Thread, ms: number, act: () => void): void {
  clearTimeout(thread.timer)
  thread.timer = setTimeout(act, ms)
}

async function stopPool(pool: Pool): Promise<void> {
  pool.stopped = true
  const reason = 'the worker threads have been stopped'
  for (const job of pool.waiting.clear()) job.reject(new TaskError('task-thread-lost', reason))
  for (const thread of pool.threads) lose(pool, thread, 'task-thread-lost', reason)
  // A thread inside of a native call cannot be ended; the process may go without it.
  const patience = new Promise((resolve) => setTimeout(resolve, 1000).unref())
  await Promise.race([Promise.all([...pool.threads].map(({ worker }) => worker.terminate())), patience])
}
