import { CodedError } from '#lib'

/**
 * Work that can be done in another thread: a pure function with a name. Input and output are copied between the threads
 * (structured clone), so they are plain data: strings, numbers, lists, records, `Uint8Array`; neither a `SecretValue` nor a
 * `KeyObject`. A `Buffer` that shares memory with others is copied with all of that memory: pass `new Uint8Array(buffer)`.
 *
 * The message of an error that `run` throws reaches the caller, its class and cause do not.
 */
export interface Task<Input, Output> {
  readonly name: string
  readonly run: (input: Input) => Output | Promise<Output>
}

export function defineTask<Input, Output>(
  name: string,
  run: (input: Input) => Output | Promise<Output>,
): Task<Input, Output> {
  return { name, run }
}

/** Any task, for lists of them. */
export type AnyTask = Task<never, unknown>

export interface TaskOptions {
  /** On whose behalf the work is done, for example a namespace: owners take turns, and none holds every thread. Default: one owner for all. */
  owner?: string | undefined
  /** Ends the wait for the result. Work that has begun goes on until its time limit. */
  signal?: AbortSignal | undefined
}

/** Runs tasks. Rejects with {@link TaskError}, or with the signal's reason. */
export interface TaskRunner {
  run<Input, Output>(task: Task<Input, Output>, input: Input, options?: TaskOptions): Promise<Output>
  /** Ends all threads; what is running or waiting is rejected. */
  stop(): Promise<void>
}

export type TaskErrorCode =
  /** The task threw; the message is the thrown error's. */
  | 'task-failed'
  /** The task took longer than its time limit; its thread was ended. */
  | 'task-timeout'
  /** The task needed more memory than its thread may have; the thread was ended. */
  | 'task-out-of-memory'
  /** Too much is waiting, or it waited too long. */
  | 'task-queue-full'
  /** The thread could not start, or ended by itself. */
  | 'task-thread-lost'

/** A task gave no result. Every code but `task-failed` is about this process's resources, not only about the input. */
export class TaskError extends CodedError<TaskErrorCode> {}

/** Runs tasks in this thread, without limits: for input that comes from this program's own user, and for tests. */
export function inlineTasks(): TaskRunner {
  return {
    async run(task, input) {
      try {
        return await task.run(input)
      } catch (error) {
        throw new TaskError('task-failed', error instanceof Error ? error.message : String(error))
      }
    },
    stop: async () => {},
  }
}
