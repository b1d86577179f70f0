/**
 * proxy: the sidecar that answers token requests at the address of IMDS by workload identity, for applications that only know
 * IMDS, and its init step, which redirects the pod's requests to it. All other requests are forwarded to the real IMDS.
 * A drop-in for azure-workload-identity's `proxy` and `proxy-init`; `docs/differences.md` lists the differences.
 */
export { awaitReady } from './await-ready.ts'
export { type ProxyProgramConfig, proxyFlags, proxyProgram } from './config.ts'
export { asUser, leastRights } from './container-rights.ts'
export { proxyInitFlags, proxyInitProgram } from './init-config.ts'
export { proxyLimits } from './limits.ts'
export {
  type ContainerResources,
  type NewContainer,
  type ProxySettings,
  proxyContainer,
  proxyInitContainer,
  proxyInitName,
  proxyName,
} from './pod-containers.ts'
export { type Redirection, redirectMetadata } from './redirect-metadata.ts'
export { type ProxyConfig, type ProxyWorld, type RunningProxy, startProxy } from './start-proxy.ts'
