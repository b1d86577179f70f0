import { parentPort } from 'node:worker_threads'
import { errorMessage } from '#lib'
import type { TaskRequest, ThreadMessage } from './messages.ts'
import type { AnyTask } from './task.ts'

/** The whole of a worker thread: answers requests for these tasks, one after the other. */
export function serveTasks(tasks: readonly AnyTask[]): void {
  const port = parentPort
  if (port === null) throw new Error('this program is a worker thread of another one')
  const known = new Map(tasks.map((task) => [task.name, task]))
  if (known.size !== tasks.length) throw new Error('two tasks have the same name')
  const send = (message: ThreadMessage) => port.postMessage(message)
  port.on('message', ({ name, input }: TaskRequest) => {
    void answer(known.get(name), name, input).then(send)
  })
  send({ kind: 'ready' })
}

async function answer(task: AnyTask | undefined, name: string, input: unknown): Promise<ThreadMessage> {
  if (task === undefined) return { kind: 'failed', message: `this worker has no task "${name}"` }
  try {
    return { kind: 'done', output: await task.run(input as never) }
  } catch (error) {
    return { kind: 'failed', message: errorMessage(error) }
  }
}
