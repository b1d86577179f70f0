/**
 * operator: `keymount operator`, what acts on the whole cluster. Its part `restart` rolls workloads out again whose pods
 * started with older versions of secrets than are mounted now. It holds no value of a secret, and cannot read any.
 */
export { type OperatorConfig, operatorFlags, operatorProgram } from './config.ts'
export { createEventsMetrics, type EventsMetrics, eventsMetrics } from './events/events-metrics.ts'
export { eventTypes } from './events/parse-event-message.ts'
export type { QueueClient } from './events/queue-client.ts'
export { createQueueSource } from './events/queue-source.ts'
export { type EventsWorld, startEvents } from './events/start-events.ts'
export type { EventSource, VaultEvent } from './events/vault-event.ts'
export { createOperatorMetrics, type OperatorMetrics, operatorMetrics } from './operator-metrics.ts'
export { type PreviewOptions, previewRestarts, type RestartPreview } from './restart/preview-restarts.ts'
export { restartProblems } from './restart/restart-settings.ts'
export type { RestartConfig } from './restart/restarter.ts'
export { startRestart } from './restart/start-restart.ts'
export { startOperatorDaemon } from './run-operator.ts'
