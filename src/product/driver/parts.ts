import type { EventRecorder } from '#kubernetes/client'
import type { ProviderClient } from '#kubernetes/provider-protocol'
import type { Clock, Log } from '#lib'
import type { ClassReader } from './content/mount-class.ts'
import type { DriverMetrics } from './driver-metrics.ts'
import type { Mounter } from './mount/mounter.ts'
import type { Volumes } from './mount/volumes.ts'
import type { PodStatuses } from './pod-status.ts'
import type { Operations } from './rpc/operations.ts'

/** What the driver's steps work with. Made once, in start-driver.ts. */
export interface Parts {
  /** By this name kubelet knows the driver. */
  driverName: string
  mounter: Mounter
  /** Asks the API server. */
  readClass: ClassReader
  /** As it is now, from the watch where there is one. */
  knownClass: ClassReader
  providers: ProviderClient
  statuses: PodStatuses
  volumes: Volumes
  operations: Operations
  events: EventRecorder
  metrics: DriverMetrics
  /** Rotation interval of classes that name none, in milliseconds. */
  defaultIntervalMs: number
  /** Whether a pod's volume attributes override class parameters. */
  volumeAttributesWin: boolean
  clock: Clock
  log: Log
}
