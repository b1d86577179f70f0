/**
 * webhook: the mutating webhook of workload identity: pods that ask for it get the token of their service account, the
 * environment that Azure SDKs read, and the proxy sidecar where they want it. Makes and renews its own certificates, without
 * a leader. A drop-in for azure-workload-identity's; `docs/differences.md` says what it does otherwise.
 */
export { AdmissionDenied } from './admission-denied.ts'
export { type ControllerConfig, controllerFlags, controllerProgram } from './config.ts'
export { startWebhookDaemon } from './run-webhook.ts'
export { type Annotations, annotationKeys, annotationPrefix } from './identity-request.ts'
export type { PatchOperation } from './json-patch.ts'
export { type Mutation, mutatePod } from './mutate-pod.ts'
export { parsePod } from './parse-pod.ts'
export {
  type CertificateSource,
  type RunningWebhook,
  startWebhook,
  type WebhookConfig,
  type WebhookWorld,
  webhookNames,
} from './start-webhook.ts'
export type { TokenEndpoint, TokenEndpointTrust, WebhookSettings } from './webhook-settings.ts'
