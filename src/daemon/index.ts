/**
 * daemon: what every program of `bin` and every configuration of the product shares: the way from a command line to an exit
 * status, the build's version, flags that several programs have, and the proxy and trust settings of the environment for Azure and
 * the cluster.
 */
export { clusterConfig, kubeconfigFlag } from './cluster-config.ts'
export {
  type ControllerConfig,
  type ControllerWorld,
  controllerConfig,
  controllerFlags,
  type RunningController,
  startController,
} from './controller.ts'
export { azureHttp, type HttpEnvironment, httpFromEnvironment, readPem } from './http-environment.ts'
export { logLevelFlag, logLevelOf, metricsBackendFlag } from './log-level.ts'
export type { Tracing, TracingOptions } from './open-telemetry.ts'
export { type CheckResult, runCheck } from './run-check.ts'
export { endWhenLost, runMain } from './run-main.ts'
export { startTracing } from './tracing.ts'
export {
  buildOf,
  buildVersion,
  packageVersion,
  versionFlag,
  workloadIdentityUserAgent,
  workloadIdentityVersionFlag,
} from './version.ts'
