import { errorMessage, type Running } from '#lib'
import { createBackoff } from '#lib/async'
import { ApiError } from '../api-server/api-error.ts'
import type { ApiObject } from '../api-server/api-object.ts'
import type { ApiContext } from '../api-server/http/api-call.ts'
import type { ResourceKey } from '../api-server/objects/store.ts'
import { createPodCreations, type PodCreations } from './pod-creations.ts'

/** What controllers work on: they are inside the API server's process, but keep to its rules. */
export type ControllerContext = Pick<ApiContext, 'store' | 'objects' | 'catalog' | 'admission' | 'clock' | 'log'> & {
  creations: PodCreations
}

/** One loop of the cluster: looks at the whole state when a kind that it watches has changed, and brings it a step nearer to what is wanted. */
export interface Controller {
  name: string
  watches: 'everything' | readonly ResourceKey[]
  /** Must be idempotent: it runs again after each of its own writes, until it writes nothing. */
  reconcile(context: ControllerContext): void
}

/** A controller that treats each object of a kind by itself: what is wrong with one does not hold up the others. */
export function controllerOf(
  resource: ResourceKey,
  options: {
    name: string
    watches: readonly ResourceKey[]
    sync(context: ControllerContext, object: ApiObject): void
  },
): Controller {
  const { name, watches, sync } = options
  return {
    name,
    watches: [resource, ...watches],
    reconcile(context) {
      const errors: unknown[] = []
      for (const object of context.store.list(resource)) {
        if (object.metadata.deletionTimestamp !== undefined) continue
        try {
          sync(context, object)
        } catch (error) {
          errors.push(error)
        }
      }
      if (errors.length > 0) throw errors[0]
    },
  }
}

/** Runs the controllers until stopped. Changes that come in one turn of the event loop are one run. */
export function runControllers(
  surroundings: Omit<ControllerContext, 'creations'>,
  controllers: readonly Controller[],
): Running {
  const { store, clock, log } = surroundings
  const context = { ...surroundings, creations: createPodCreations(clock, () => schedule(controllers)) }
  const backoff = createBackoff({ initialMs: 500, maxMs: 10_000 })
  const due = new Set<Controller>(controllers)
  let scheduled: NodeJS.Immediate | undefined
  let cancelRetry = () => {}

  function run(): void {
    scheduled = undefined
    const batch = [...due]
    due.clear()
    const failed = batch.filter((controller) => !attempt(controller))
    if (failed.length === 0) {
      backoff.reset()
      return
    }
    cancelRetry()
    cancelRetry = clock.after(backoff.next(), () => schedule(failed))
  }

  function attempt(controller: Controller): boolean {
    try {
      controller.reconcile(context)
      return true
    } catch (error) {
      const level = error instanceof ApiError ? 'debug' : 'error'
      log[level]({ err: error, controller: controller.name }, `will try again: ${errorMessage(error)}`)
      return false
    }
  }

  function schedule(more: Iterable<Controller>): void {
    for (const controller of more) due.add(controller)
    scheduled ??= setImmediate(run)
  }

  const unfollow = store.follow(store.revision, ({ resource }) => {
    const concerned = controllers.filter(({ watches }) => watches === 'everything' || watches.includes(resource))
    if (concerned.length > 0) schedule(concerned)
  })
  schedule([])
  return {
    async stop() {
      unfollow()
      cancelRetry()
      clearImmediate(scheduled)
    },
  }
}
