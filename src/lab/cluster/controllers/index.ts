import type { Running } from '#lib'
import { type ControllerContext, runControllers } from './controller.ts'
import { daemonSets } from './daemon-sets.ts'
import { deployments } from './deployments.ts'
import { garbageCollector } from './garbage-collector.ts'
import { namespaceDefaults, namespaceDeletion } from './namespaces.ts'
import { replicaSets } from './replica-sets.ts'
import { scheduler } from './scheduler.ts'

/** Starts the controllers that make a collection of objects a cluster. `ca` is the PEM that pods trust. */
export function startControllers(context: Omit<ControllerContext, 'creations'>, ca: string): Running {
  return runControllers(context, [
    namespaceDefaults(ca),
    namespaceDeletion,
    deployments,
    replicaSets,
    daemonSets,
    scheduler,
    garbageCollector,
  ])
}
