import { counter, createMetrics, gauge, histogram, type MetricTable } from '#lib'
import type { IgnoredReason, VaultEvent } from './vault-event.ts'

export const eventsMetrics = {
  sourceUp: gauge(
    'events_source_up',
    '1 while the source of events answers, 0 while it does not: then, volumes follow by their interval',
    { source: '`queue`, `namespace topic`, or `vault NAME` for a vault that is watched' },
  ),
  received: counter('events_received_total', 'Events that were received, each delivery counted', {
    kind: '`secret`, `key`, `certificate` or `access`',
  }),
  ignored: counter('events_ignored_total', 'Events and messages that lead to nothing', {
    why: '`unmatched` (no class has the object), `pinned` (the classes have another objectVersion), `duplicate`, `type`, `invalid` or `undeliverable`',
  }),
  changes: counter('events_changes_total', 'Classes annotated because something changed in their vault', {
    result: '`written`, `failed` (tried again) or `refused` (by the API server, not tried again)',
  }),
  lag: histogram(
    'events_lag_seconds',
    'Time from the change in the vault, by its clock, until the class is annotated',
    [0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 300, 3600],
  ),
  held: gauge('events_held', 'Events that were received and are not finished'),
  age: gauge(
    'events_queue_age_seconds',
    'Time that the oldest message of the last answer was in the queue; 0 for an empty queue',
  ),
  last: gauge('events_last_timestamp_seconds', 'When the last event was received'),
  confirmed: gauge(
    'events_confirmed',
    '1 while the operator confirms that it hears of every change of the vault, so that drivers poll it rarely',
    { vault: 'host of the vault' },
  ),
  classes: gauge('events_classes', 'Classes that events are matched with'),
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
