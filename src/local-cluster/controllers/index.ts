import type { Running } from '../../lib/index.ts'
import type { ApiContext } from '../api-server/http/api-call.ts'
import { runControllers } from './controller.ts'
import { garbageCollector } from './garbage-collector.ts'
import { namespaceDefaults, namespaceDeletion } from './namespaces.ts'
import { scheduler } from './scheduler.ts'
import { daemonSets, deployments, replicaSets } from './workloads.ts'

/** Starts the controllers that make a collection of objects a cluster. `ca` is the PEM that pods trust. */
export function startControllers(context: ApiContext, ca: string): Running {
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
