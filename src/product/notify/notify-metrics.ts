import { counter, createMetrics, gauge, type MetricTable } from '#lib'

export const notifyMetrics = {
  notifications: counter('notify_total', 'Changes of the watched volumes by what was done about them', {
    action: '`post`, `signal`, `exit-code` or `command`',
    result: '`success` or `failure`',
  }),
  lastSuccess: gauge('notify_last_success_timestamp_seconds', 'When a change was last acted on with success'),
} as const satisfies MetricTable

export interface NotifyMetrics {
  acted(action: string, result: 'success' | 'failure', nowMs: number): void
  text(): string
}

export function createNotifyMetrics(): NotifyMetrics {
  const { series, text } = createMetrics(notifyMetrics)
  return {
    acted(action, result, nowMs) {
      series.notifications.add({ action, result })
      if (result === 'success') series.lastSuccess.set(Math.floor(nowMs / 1000))
    },
    text,
  }
}
