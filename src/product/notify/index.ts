/**
 * notify: `keymount notify`, a sidecar that notifies the application of its own pod when the files of its volumes have changed.
 * It has no rights in the cluster.
 */
export { type ActionWords, actionsOf, type NotifyProgramConfig, notifyFlags, notifyProgram } from './config.ts'
export { createNotifyMetrics, notifyMetrics } from './notify-metrics.ts'
export { type RunningNotify, startNotifyDaemon } from './run-notify.ts'
export { type NotifyConfig, startNotify } from './start-notify.ts'
