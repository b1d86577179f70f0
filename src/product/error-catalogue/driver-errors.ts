import type { CatalogueEntry } from './explanation.ts'

/** Causes that the driver finds, before it asks a provider or after its answer. */
export type DriverErrorCode =
  | 'answer-too-large'
  | 'class-invalid'
  | 'class-not-found'
  | 'class-unreadable'
  | 'fallback-secret-forbidden'
  | 'fallback-secret-incomplete'
  | 'fallback-secret-missing'
  | 'fallback-secret-too-large'
  | 'fallback-secret-unreadable'
  | 'files-not-written'
  | 'provider-answer-empty'
  | 'provider-name-invalid'
  | 'provider-not-found'
  | 'provider-timeout'
  | 'provider-unavailable'
  | 'volume-too-large'

/** Every cause of a failed mount that the driver reports. */
export const driverErrors: Readonly<Record<DriverErrorCode, CatalogueEntry>> = {
  'answer-too-large': {
    grpc: 'RESOURCE_EXHAUSTED',
    meaning: 'The provider’s answer is larger than the driver accepts.',
    fix: 'Mount fewer or smaller objects per class. An administrator can raise the limit: chart value `maxCallRecvMsgSize`.',
  },
  'class-invalid': {
    grpc: 'UNKNOWN',
    meaning: 'The driver cannot use the SecretProviderClass; the message names the field.',
    fix: 'Change the SecretProviderClass; the pod starts by itself afterwards.',
  },
  'class-not-found': {
    grpc: 'UNKNOWN',
    meaning: 'The namespace of the pod has no SecretProviderClass of this name.',
    fix: '`kubectl get secretproviderclass -A` lists them. A pod can only use a class of its own namespace; the name is in `volumeAttributes.secretProviderClass` of the volume.',
  },
  'class-unreadable': {
    grpc: 'UNAVAILABLE',
    meaning: 'The driver cannot read the SecretProviderClass from the API server.',
    fix: 'Nothing if the API server was restarting: kubelet asks again. Otherwise compare the driver’s ClusterRole with the chart’s.',
  },
  'fallback-secret-forbidden': {
    grpc: 'UNAVAILABLE',
    meaning: 'The vault cannot answer, and the driver has no right to read the Secret of `fallbackSecretName`.',
    fix: 'Set the chart value `syncSecret.enabled` (and `syncSecret.namespaces`, if used). The reason for which the Secret is needed follows in the message.',
  },
  'fallback-secret-incomplete': {
    grpc: 'UNAVAILABLE',
    meaning: 'The vault cannot answer, and the Secret of `fallbackSecretName` lacks files of the class.',
    fix: 'Add the keys that the message names: a key is the path of a file, with `.` for `/`.',
  },
  'fallback-secret-missing': {
    grpc: 'UNAVAILABLE',
    meaning: 'The vault cannot answer, and the namespace of the pod has no Secret of the name in `fallbackSecretName`.',
    fix: 'Create it, with a SecretSync of the same class or by hand.',
  },
  'fallback-secret-too-large': {
    grpc: 'UNAVAILABLE',
    meaning:
      'The vault cannot answer, and the Secret of `fallbackSecretName` has more keys than a volume may have files.',
    fix: 'Remove the keys that are not files of the class: each key becomes a file. The limit is in [limits.md](limits.md).',
  },
  'fallback-secret-unreadable': {
    grpc: 'UNAVAILABLE',
    meaning: 'The vault cannot answer, and neither can the API server be asked for the Secret of `fallbackSecretName`.',
    fix: 'Nothing: kubelet asks again.',
  },
  'files-not-written': {
    grpc: 'UNKNOWN',
    meaning: 'The files cannot be written to the volume; the message has the system’s reason.',
    fix: 'Two objects may need the same path as a file and as a folder: change `objectAlias`. Otherwise check the node’s memory: volumes are in tmpfs.',
  },
  'provider-answer-empty': {
    grpc: 'UNKNOWN',
    meaning: 'The provider answered without any object.',
    fix: 'List at least one object in `objects` of the class.',
  },
  'provider-name-invalid': {
    grpc: 'UNKNOWN',
    meaning: '`spec.provider` of the class cannot be the name of a provider.',
    fix: 'Set `spec.provider: azure`.',
  },
  'provider-not-found': {
    grpc: 'UNKNOWN',
    meaning: 'No provider of this name runs on the node of the pod.',
    fix: '`kubectl get pods -A -l "app in (secrets-store-provider-azure,secrets-store-csi-driver)" -o wide` has to list a running pod on that node. Check `spec.provider` of the class, and the node selector and tolerations of the provider’s DaemonSet.',
  },
  'provider-timeout': {
    grpc: 'DEADLINE_EXCEEDED',
    meaning: 'The provider did not answer in time.',
    fix: 'The log of the provider on that node names what it waits for.',
    outage: true,
  },
  'provider-unavailable': {
    grpc: 'UNAVAILABLE',
    meaning: 'The provider has a socket on the node of the pod, and does not answer there.',
    fix: 'Nothing while it restarts: kubelet asks again. `kubectl get pods -A -l "app in (secrets-store-provider-azure,secrets-store-csi-driver)" -o wide` and its log show why it does not run.',
    outage: true,
  },
  'volume-too-large': {
    grpc: 'RESOURCE_EXHAUSTED',
    meaning: 'The files are larger than a volume, or all volumes of the node, may be.',
    fix: 'Mount fewer or smaller objects per class. An administrator can raise the limit that the message names.',
  },
}
