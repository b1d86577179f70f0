import { createHash } from 'node:crypto'
import { type Clock, type Log, systemClock, timestamp } from '#lib'
import type { KubeClient } from './kube-client.ts'
import { isNotFound } from './kube-error.ts'
import type { KubeEvent, ObjectReference } from './objects.ts'
import { resources } from './resources.ts'

export interface EventRecorderOptions {
  client: KubeClient
  log: Log
  /** Source component, for example `secrets-store-csi-driver`. */
  component: string
  /** Node or host that reports. */
  host?: string | undefined
  clock?: Clock | undefined
  /** The same event about the same object is written at most once in this time, and counted in between. Default 60,000 ms. */
  quietMs?: number | undefined
  /** Distinct events that are held for counting. Default 500. */
  maxHeld?: number | undefined
}

export interface EventRecorder {
  /** Records an event about an object, in its namespace. Never throws: a lost event is logged. */
  record(about: ObjectReference, type: 'Normal' | 'Warning', reason: string, message: string): Promise<void>
}

export interface Occurrence {
  type: 'Normal' | 'Warning'
  reason: string
  message: string
  component: string
  host?: string | undefined
  /** Milliseconds since the Unix epoch. */
  now: number
}

/** Kubernetes refuses longer ones. https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/ */
const maxMessageLength = 1024

/** A volume is not kept waiting by its event. */
const timeoutMs = 5000

/**
 * The event of something that happened once. Its name is derived from (object, reason, message), so that the next occurrence
 * finds it and raises its `count`, also after a restart.
 */
export function newEvent(about: ObjectReference, occurrence: Occurrence) {
  const { type, reason, message: text, component, host } = occurrence
  const message = text.length > maxMessageLength ? `${text.slice(0, maxMessageLength - 1)}…` : text
  const digest = createHash('sha256').update([about.uid, about.name, type, reason, message].join('\0')).digest('hex')
  const now = timestamp(occurrence.now)
  return {
    apiVersion: 'v1',
    kind: 'Event',
    metadata: {
      name: `${about.name ?? 'unknown'}.${digest.slice(0, 16)}`,
      namespace: about.namespace ?? 'default',
    },
    involvedObject: about,
    type,
    reason,
    message,
    count: 1,
    firstTimestamp: now,
    lastTimestamp: now,
    source: { component, host },
    reportingComponent: component,
    reportingInstance: host ?? '',
  } satisfies KubeEvent
}

/** Writes events the way kubelet's are read: one object per (object, reason, message) whose `count` grows. */
export function createEventRecorder(options: EventRecorderOptions): EventRecorder {
  const { client, log, component, host, clock = systemClock, quietMs = 60_000, maxHeld = 500 } = options
  const seen = new Map<string, { writtenAt: number; pending: number }>()

  async function write(event: KubeEvent & { count: number }): Promise<void> {
    const { name = '', namespace = '' } = event.metadata
    const { count, lastTimestamp, message } = event
    try {
      const existing = await client.get(resources.events, { name, namespace }, { timeoutMs })
      const patch = { count: (existing.count ?? 1) + count, lastTimestamp, message }
      await client.patch(resources.events, { name, namespace }, patch, { timeoutMs })
    } catch (error) {
      if (!isNotFound(error)) throw error
      await client.create(resources.events, event, { timeoutMs })
    }
  }

  return {
    async record(about, type, reason, message) {
      const event = newEvent(about, { type, reason, message, component, host, now: clock.now() })
      const { name } = event.metadata
      const earlier = seen.get(name)
      if (earlier !== undefined && clock.elapsed() - earlier.writtenAt < quietMs) {
        earlier.pending++
        return
      }
      const count = 1 + (earlier?.pending ?? 0)
      const entry = { writtenAt: clock.elapsed(), pending: 0 }
      seen.delete(name)
      seen.set(name, entry)
      if (seen.size > maxHeld) seen.delete(seen.keys().next().value ?? '')
      try {
        await write({ ...event, count })
      } catch (error) {
        entry.pending += count
        log.warn({ err: error, reason }, 'event could not be written')
      }
    },
  }
}
