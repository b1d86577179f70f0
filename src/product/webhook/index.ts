/**
 * webhook: the mutating webhook of workload identity: labelled pods get the token of their service account, the environment
 * variables that Azure SDKs read, and the proxy sidecar if an annotation requests it. It also checks SecretProviderClasses.
 * Issues and renews its own certificates, without a leader. A drop-in for azure-workload-identity's webhook;
 * `docs/differences.md` lists the differences.
 */
export { AdmissionDenied } from './admission-denied.ts'
export { annotationProblems } from './annotation-problems.ts'
export { type WebhookProgramConfig, webhookFlags, webhookProgram } from './config.ts'
export { type Annotations, annotationKeys, annotationPrefix } from './identity-request.ts'
export { webhookLimits } from './limits.ts'
export { type Mutation, mutatePod } from './mutate-pod.ts'
export { parsePod } from './parse-pod.ts'
export type { PatchOperation } from './patch-operation.ts'
export { startWebhookDaemon } from './run-webhook.ts'
export {
  type CertificateSource,
  type RunningWebhook,
  startWebhook,
  type WebhookConfig,
  type WebhookWorld,
  webhookNames,
} from './start-webhook.ts'
export type { TokenEndpoint, TokenEndpointTrust, WebhookSettings } from './webhook-settings.ts'
