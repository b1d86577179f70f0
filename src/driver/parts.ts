import type { EventRecorder } from '../kube/index.ts'
import type { Clock, Log } from '../lib/index.ts'
import type { ProviderClient } from '../provider-api/index.ts'
import type { DriverMetrics } from './driver-metrics.ts'
import type { ClassReader } from './mount-class.ts'
import type { Mounter } from './mounter.ts'
import type { Operations } from './operations.ts'
import type { PodStatuses } from './pod-status.ts'
import type { Volumes } from './volumes.ts'

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
