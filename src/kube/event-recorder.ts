import { createHash } from 'node:crypto'
import { type Clock, type Log, systemClock } from '../lib/index.ts'
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
  host?: string
  clock?: Clock
  /** The same event about the same object is written at most once in this time; in between only counted. Default 60,000 ms. */
  quietMs?: number
}

export interface EventRecorder {
  /** Records an event about an object, in its namespace. Never throws: a lost event is logged. */
  record(about: ObjectReference, type: 'Normal' | 'Warning', reason: string, message: string): Promise<void>
}

/** Kubernetes refuses longer ones. https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/ */
const maxMessageLength = 1024

/** How many distinct events are remembered for counting. */
const remembered = 500

/**
 * Writes events the way kubelet's are read: one object per (object, reason, message) whose `count` grows.
 * Its name is derived from those, so that a restarted process continues the count instead of starting a new event.
 */
export function createEventRecorder(options: EventRecorderOptions): EventRecorder {
  const { client, log, component, host, clock = systemClock, quietMs = 60_000 } = options
  const seen = new Map<string, { writtenAt: number; pending: number }>()

  async function write(
    about: ObjectReference,
    type: string,
    reason: string,
    message: string,
    name: string,
    count: number,
  ) {
    const now = new Date(clock.now()).toISOString().replace(/\.\d+Z$/, 'Z')
    const namespace = about.namespace ?? 'default'
    try {
      const existing = await client.get(resources.events, { name, namespace })
      const patch = { count: (existing.count ?? 1) + count, lastTimestamp: now, message }
      await client.patch(resources.events, { name, namespace }, patch)
    } catch (error) {
      if (!isNotFound(error)) throw error
      const event: KubeEvent = {
        apiVersion: 'v1',
        kind: 'Event',
        metadata: { name, namespace },
        involvedObject: about,
        type,
        reason,
        message,
        count,
        firstTimestamp: now,
        lastTimestamp: now,
        source: { component, ...(host === undefined ? {} : { host }) },
        reportingComponent: component,
        reportingInstance: host ?? '',
      }
      await client.create(resources.events, event)
    }
  }

  return {
    async record(about, type, reason, text) {
      const message = text.length > maxMessageLength ? `${text.slice(0, maxMessageLength - 1)}…` : text
      const digest = createHash('sha256')
        .update([about.uid, about.name, type, reason, message].join('\0'))
        .digest('hex')
      const name = `${about.name ?? 'unknown'}.${digest.slice(0, 16)}`
      const earlier = seen.get(name)
      if (earlier !== undefined && clock.now() - earlier.writtenAt < quietMs) {
        earlier.pending++
        return
      }
      seen.delete(name)
      seen.set(name, { writtenAt: clock.now(), pending: 0 })
      if (seen.size > remembered) seen.delete(seen.keys().next().value ?? '')
      try {
        await write(about, type, reason, message, name, 1 + (earlier?.pending ?? 0))
      } catch (error) {
        log.warn({ err: error, reason }, 'event could not be written')
      }
    },
  }
}
