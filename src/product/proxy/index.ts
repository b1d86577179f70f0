/**
 * proxy: the sidecar that answers token requests at the address of IMDS by workload identity, for applications that know
 * nothing else, and its init step, which redirects the pod's requests to it. Everything else that IMDS offers is passed
 * through. A drop-in for azure-workload-identity's `proxy` and `proxy-init`; `docs/differences.md` says what it does otherwise.
 */
export { awaitReady } from './await-ready.ts'
export { type ProxyProgramConfig, proxyFlags, proxyProgram } from './config.ts'
export { metadataAddress } from './imds-request.ts'
export { proxyInitFlags, proxyInitProgram } from './init-config.ts'
export {
  type NewContainer,
  type ProxySettings,
  proxyContainer,
  proxyInitContainer,
  proxyInitName,
  proxyName,
} from './pod-containers.ts'
export { type Redirection, redirectMetadata } from './redirect-metadata.ts'
export { type ProxyConfig, type ProxyWorld, type RunningProxy, startProxy } from './start-proxy.ts'
