/** daemon */
export { azureHttp } from './azure-http.ts'
export { buildVersion } from './build-version.ts'
export { clusterConfig } from './cluster-config.ts'
export { httpFromEnvironment, readPem } from './http-environment.ts'
export { parseLogLevel } from './log-level.ts'
export { packagePlaces } from './package-places.ts'
export { printLine, runMain } from './run-main.ts'
export { workloadIdentityBuild, workloadIdentityUserAgent } from './workload-identity-build.ts'
