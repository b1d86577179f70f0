import type { Explanation } from './explanation.ts'

/** Why the sync controller does not write a Secret, beside the errors of its provider. */
export type SyncCode =
  | 'namespace-terminating'
  | 'provider-missing'
  | 'secret-conflict'
  | 'secret-empty'
  | 'secret-not-ours'
  | 'secret-too-large'
  | 'secret-too-many-keys'
  | 'secret-type-changed'
  | 'source-path-missing'
  | 'sync-not-allowed'
  | 'tls-unusable'
  | 'token-forbidden'
  | 'token-unavailable'
  | 'workload-identity-only'

/** In conditions and events of a SecretSync, by its stable code. */
export const syncFindings: Readonly<Record<SyncCode, Explanation>> = {
  'namespace-terminating': {
    meaning: 'The namespace is being deleted, so nothing is created in it.',
    fix: 'Nothing: the SecretSync goes with it.',
  },
  'provider-missing': {
    meaning: 'No provider of the name in `spec.provider` answers the sync controller.',
    fix: 'Correct `spec.provider` of the class, or run that provider beside the controller.',
  },
  'secret-conflict': {
    meaning: 'Another field manager owns fields of the Secret, for example Helm or `kubectl apply`.',
    fix: 'Remove the fields there, or delete the Secret: `kubectl delete secret NAME -n NAMESPACE`. It is made again at the next check.',
  },
  'secret-empty': {
    meaning: 'Every key of the Secret is of an optional object that is not in the vault.',
    fix: 'Create one of the objects, or delete the SecretSync.',
  },
  'secret-not-ours': {
    meaning: 'A Secret of this name exists and was not made for this SecretSync or class.',
    fix: 'Choose another name, or delete it: `kubectl delete secret NAME -n NAMESPACE`. One that the driver made for `secretObjects` is removed there first.',
  },
  'secret-too-large': {
    meaning: 'The Secret would be larger than the 1024 KiB that Kubernetes allows.',
    fix: 'Split it into several SecretSyncs, or mount the files.',
  },
  'secret-too-many-keys': {
    meaning: '`secretObjects` of the class have more entries of `data` than 1,000; `"*"` counts once for each file.',
    fix: 'Give fewer entries `"*"`, select fewer objects, or split the class.',
  },
  'secret-type-changed': {
    meaning: 'The type of an existing Secret cannot be changed.',
    fix: '`kubectl delete secret NAME -n NAMESPACE`: it is made again at the next check, with the new type.',
  },
  'source-path-missing': {
    meaning:
      'A `sourcePath` of the SecretSync is not a file that the class gives; the message lists those that there are.',
    fix: 'Correct `sourcePath`: it is the `objectAlias`, or the `objectName` without one.',
  },
  'sync-not-allowed': {
    meaning: 'The class asks for Secrets with the identity of a service account that does not allow it.',
    fix: '`kubectl annotate serviceaccount NAME -n NAMESPACE keymount.dev/sync-classes=CLASS`',
  },
  'tls-unusable': {
    meaning:
      'A file cannot become `tls.crt` or `tls.key`: it is not a certificate with its private key in a known form.',
    fix: 'Read the certificate with `objectType: secret`, which has the key too.',
  },
  'token-forbidden': {
    meaning: 'The sync controller may not create a token of the service account for this audience.',
    fix: 'Allow the audience in `--token-request-audience` and in its admission policy: chart value `sync.tokenRequestAudience`.',
  },
  'token-unavailable': {
    meaning: 'The API server gave no token of the service account, or could not be asked.',
    fix: 'Nothing if the API server was restarting: it is tried again. Otherwise the message has its text.',
  },
  'workload-identity-only': {
    meaning:
      'Without a pod only workload identity can sign in, and neither class nor service account names an identity.',
    fix: '`keymount identity serviceaccount create` makes one; or set `clientID` of the class.',
  },
}
