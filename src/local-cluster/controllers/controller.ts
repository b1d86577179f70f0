import { errorMessage, type Running } from '../../lib/index.ts'
import { ApiError } from '../api-server/api-error.ts'
import type { ApiContext } from '../api-server/http/api-call.ts'
import type { Change, ResourceKey } from '../api-server/objects/store.ts'

/** One loop of the cluster: looks at the whole state whenever a kind that it watches has changed, and brings it one step nearer to what is wanted. */
export interface Controller {
  name: string
  watches: 'everything' | readonly ResourceKey[]
  /** Must be idempotent: it runs again after each of its own writes, until it writes nothing. */
  reconcile(context: ApiContext): void
  /** What only the change itself tells. */
  onChange?(context: ApiContext, change: Change): void
}

const retryMs = 1_000

/** Runs the controllers until stopped. Changes that come in one turn of the event loop are one run. */
export function runControllers(context: ApiContext, controllers: readonly Controller[]): Running {
  const { store, clock, log } = context
  const due = new Set<Controller>(controllers)
  let scheduled: NodeJS.Immediate | undefined
  let retry = () => {}

  function run(): void {
    scheduled = undefined
    const batch = [...due]
    due.clear()
    for (const controller of batch) {
      try {
        controller.reconcile(context)
      } catch (error) {
        due.add(controller)
        const level = error instanceof ApiError ? 'debug' : 'error'
        log[level]({ err: error, controller: controller.name }, `will try again: ${errorMessage(error)}`)
      }
    }
    retry()
    if (due.size > 0) retry = clock.after(retryMs, schedule)
  }

  function schedule(): void {
    scheduled ??= setImmediate(run)
  }

  const unfollow = store.follow(store.revision, (change) => {
    for (const controller of controllers) {
      if (controller.watches !== 'everything' && !controller.watches.includes(change.resource)) continue
      controller.onChange?.(context, change)
      due.add(controller)
      schedule()
    }
  })
  schedule()
  return {
    async stop() {
      unfollow()
      retry()
      clearImmediate(scheduled)
    },
  }
}
