import type { MigrateRules } from '../rule.ts'

export const esoRules = {
  KM101: {
    title: 'store is not in the input',
    severity: 'error',
    why: 'The store has the address of the vault and the identity, which go into the class.',
    right: 'add the SecretStore or ClusterSecretStore to the input, or read the cluster with --cluster',
  },
  KM102: {
    title: 'store is not of Azure Key Vault',
    severity: 'error',
    why: 'Keymount reads from Azure Key Vault.',
    right: 'keep the External Secrets Operator for this object',
  },
  KM103: {
    title: 'store signs in with a client secret',
    severity: 'error',
    why: 'authType ServicePrincipal needs a Secret in the cluster (nodePublishSecretRef of a pod’s volume). A SecretSync signs in by workload identity only.',
    right:
      'give the application a federated credential (keymount identity serviceaccount create) and the store authType WorkloadIdentity',
  },
  KM104: {
    title: 'service account is in another namespace',
    severity: 'error',
    why: 'The store reads as one account of one namespace for all namespaces. A SecretSync reads as an account of its own namespace.',
    right: '--service-account NAME: an account of the namespace of the ExternalSecret that Entra trusts',
  },
  KM105: {
    title: 'client id is in a Secret',
    severity: 'error',
    why: 'The store takes client or tenant id from a Secret, which is not read. A class has them as parameters, or the service account as annotations.',
    right: '--client-id ID (and --tenant-id ID), which are not secret',
  },
  KM106: {
    title: 'part of the store has no counterpart',
    severity: 'error',
    why: 'A class has no parameter for where the operator gets its token from, or for this cloud.',
    right: 'write the class by hand',
  },
  KM107: {
    title: 'store is for other namespaces',
    severity: 'error',
    why: 'The ClusterSecretStore has conditions, which do not name the namespace of the ExternalSecret: the operator may refuse it, and a class has no such condition.',
    right:
      'name the namespace in conditions[].namespaces of the store, if it may read from this vault; labels and regular expressions are not evaluated',
  },
  KM110: {
    title: 'certificate or key in another form',
    severity: 'error',
    why: 'The operator writes a certificate as DER and a key as JWK; Keymount writes both as PEM.',
    right: '--accept-pem, if the application reads PEM',
  },
  KM111: {
    title: 'object type is not known',
    severity: 'error',
    why: 'The prefix of remoteRef.key names what is read.',
    right: 'NAME, secret/NAME, cert/NAME or key/NAME',
  },
  KM112: {
    title: 'property selects more than one value',
    severity: 'error',
    why: 'jsonPath names one value by members and indexes.',
    right: 'a path such as database.password or hosts.0',
  },
  KM113: {
    title: 'tags of an object are read',
    severity: 'error',
    why: 'metadataPolicy Fetch and tags.NAME give tags of the object. Keymount writes values only; selectors can use tags to choose objects.',
    right: 'store the text as a secret of its own',
  },
  KM114: {
    title: 'keys of the JSON are not known',
    severity: 'error',
    why: 'extract makes a key of the Secret for each member of the JSON in the vault. A class lists them.',
    right:
      'read the cluster with --cluster, which takes the names of the keys from the Secret, or list the members in data',
  },
  KM115: {
    title: 'decoding has no counterpart',
    severity: 'error',
    why: 'Auto guesses for each value whether it is base64, and Base64URL is another alphabet. A class names the values that are base64.',
    right: 'decodingStrategy: Base64, or None',
  },
  KM116: {
    title: 'interval has no counterpart',
    severity: 'error',
    why: 'The operator reads the value once and never again. Keymount keeps the Secret as the vault has it.',
    right: 'refreshInterval: 1h, or an objectVersion to keep one version',
  },
  KM117: {
    title: 'creation policy has no counterpart',
    severity: 'error',
    why: 'A SecretSync is the only owner of its Secret: it creates it, and Kubernetes deletes it with the SecretSync.',
    right: 'creationPolicy: Owner',
  },
  KM118: {
    title: 'deletion policy has no counterpart',
    severity: 'error',
    why: 'When an object is gone from the vault, Keymount keeps the Secret as it was and reports the failure.',
    right: 'deletionPolicy: Retain',
  },
  KM119: {
    title: 'Secret is immutable',
    severity: 'error',
    why: 'A SecretSync follows the vault.',
    right: 'remove immutable, or write an objectVersion',
  },
  KM120: {
    title: 'template is outside the subset',
    severity: 'error',
    why: 'Templates of a class have a subset of Go’s templates and a few functions.',
    right: 'the functions of docs/templates.md',
  },
  KM121: {
    title: 'template comes from elsewhere',
    severity: 'error',
    why: 'templateFrom reads a ConfigMap or Secret at run time. A class has its templates in itself.',
    right: 'put the template into template.data',
  },
  KM122: {
    title: 'part of the template has no counterpart',
    severity: 'error',
    why: 'Labels and annotations of a SecretSync are fixed texts, and engine version 1 has other functions.',
    right: 'plain labels and annotations, engineVersion: v2',
  },
  KM123: {
    title: 'keys are rewritten',
    severity: 'error',
    why: 'Keys of a SecretSync are listed; there is no rule that makes them from names in the vault.',
    right: 'list the keys in data',
  },
  KM124: {
    title: 'value comes from a generator',
    severity: 'error',
    why: 'Keymount reads values, and generates none.',
    right: 'store the value in the vault',
  },
  KM125: {
    title: 'sync windows have no counterpart',
    severity: 'error',
    why: 'Keymount reads at intervals of the same length, at any time of day.',
    right: 'remove syncWindows; restart windows of workloads are keymount.dev/restart-window',
  },
  KM126: {
    title: 'selected objects are kept by the class',
    severity: 'info',
    why: 'Only the class knows which keys the Secret has, so the Secret comes from secretObjects of the class (sync.classes=true), and the service account has to allow it. Objects that are expired, not valid yet or part of a certificate are not selected.',
    right: 'run the command of the report after the manifests are applied',
  },
  KM127: {
    title: 'two entries of one key',
    severity: 'error',
    why: 'The operator lets the last entry win. A SecretSync has each key once.',
    right: 'one entry for each key',
  },
  KM128: {
    title: 'kind of the operator is not converted',
    severity: 'error',
    why: 'Keymount reads from the vault: it pushes nothing, generates nothing and fans nothing out.',
    right: 'keep the External Secrets Operator for this object, or write one ExternalSecret for each namespace',
  },
  KM129: {
    title: 'entry reads from another store',
    severity: 'error',
    why: 'A class has one identity and one cloud; an object of it can be in another vault of the same tenant.',
    right: 'an ExternalSecret of its own',
  },
} as const satisfies MigrateRules
