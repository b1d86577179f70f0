import { createMetrics, type MetricTable } from '#lib'
import type { IgnoredReason, VaultEvent } from './vault-event.ts'

export const eventsMetrics = {
  sourceUp: {
    type: 'gauge',
    name: 'events_source_up',
    help: '1 while the source of events answers, 0 while it does not: then, volumes follow by their interval',
    labels: { source: '`queue`, or `vault NAME` for a vault that is watched' },
  },
  received: {
    type: 'counter',
    name: 'events_received_total',
    help: 'Events that were received, each delivery counted',
    labels: { kind: '`secret`, `key`, `certificate` or `access`' },
  },
  ignored: {
    type: 'counter',
    name: 'events_ignored_total',
    help: 'Events and messages that lead to nothing',
    labels: {
      why: '`unmatched` (no class has the object), `pinned` (the classes have another objectVersion), `duplicate`, `type`, `invalid` or `undeliverable`',
    },
  },
  changes: {
    type: 'counter',
    name: 'events_changes_total',
    help: 'Classes annotated because something changed in their vault',
    labels: { result: '`written`, `failed` (tried again) or `refused` (by the API server, not tried again)' },
  },
  lag: {
    type: 'histogram',
    name: 'events_lag_seconds',
    help: 'Time from the change in the vault, by its clock, until the class is annotated',
    buckets: [0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 300, 3600],
  },
  held: {
    type: 'gauge',
    name: 'events_held',
    help: 'Events that were received and are not finished',
  },
  age: {
    type: 'gauge',
    name: 'events_queue_age_seconds',
    help: 'Time that the oldest message of the last answer was in the queue; 0 for an empty queue',
  },
  last: {
    type: 'gauge',
    name: 'events_last_timestamp_seconds',
    help: 'When the last event was received',
  },
  confirmed: {
    type: 'gauge',
    name: 'events_confirmed',
    help: '1 while the operator confirms that it hears of every change of the vault, so that drivers poll it rarely',
    labels: { vault: 'host of the vault' },
  },
  classes: {
    type: 'gauge',
    name: 'events_classes',
    help: 'Classes that events are matched with',
  },
} as const satisfies MetricTable

export interface EventsMetrics {
  sourceUp(source: string, up: boolean): void
  received(kind: VaultEvent['kind'], seconds: number): void
  ignored(why: IgnoredReason): void
  changed(result: 'written' | 'failed' | 'refused'): void
  lag(seconds: number): void
  age(ms: number): void
  /** Vaults that are confirmed now, in place of those before. */
  confirmed(hosts: readonly string[]): void
  /** Called at every scrape. */
  state(read: () => { held: number; classes: number }): void
  text(): string
}

export function createEventsMetrics(): EventsMetrics {
  const { series, beforeScrape, text } = createMetrics(eventsMetrics)
  const vaults = new Set<string>()
  return {
    sourceUp: (source, up) => series.sourceUp.set(up ? 1 : 0, { source }),
    received(kind, seconds) {
      series.received.add({ kind })
      series.last.set(seconds)
    },
    ignored: (why) => series.ignored.add({ why }),
    changed: (result) => series.changes.add({ result }),
    lag: (seconds) => series.lag.observe(seconds),
    age: (ms) => series.age.set(ms / 1000),
    confirmed(hosts) {
      for (const vault of vaults) series.confirmed.set(0, { vault })
      for (const vault of hosts) {
        vaults.add(vault)
        series.confirmed.set(1, { vault })
      }
    },
    state: (read) =>
      beforeScrape(() => {
        const { held, classes } = read()
        series.held.set(held)
        series.classes.set(classes)
      }),
    text,
  }
}
