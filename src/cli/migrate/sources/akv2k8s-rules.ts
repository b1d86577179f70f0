import type { MigrateRules } from '../rule.ts'

export const akv2k8sRules = {
  KM201: {
    title: 'nothing uses the object',
    severity: 'info',
    why: 'It makes no Secret, and no pod of the input reads it as an environment variable.',
    right: 'add the pods to the input if there are any',
  },
  KM202: {
    title: 'keys of the secret are not known',
    severity: 'error',
    why: 'multi-key-value-secret makes a key for each member of the text in the vault. A class lists them.',
    right: 'read the cluster with --cluster, which takes the names of the keys from the Secret',
  },
  KM203: {
    title: 'secret holds YAML',
    severity: 'error',
    why: 'jsonPath reads JSON.',
    right: 'store the secret as JSON (application/x-json)',
  },
  KM204: {
    title: 'ConfigMap as output',
    severity: 'error',
    why: 'Keymount writes Secrets and files.',
    right: 'a volume with the class, or a Secret',
  },
  KM205: {
    title: 'text is split',
    severity: 'error',
    why: 'A Secret of type kubernetes.io/basic-auth is made by splitting user:password; templates of a class do not split.',
    right: 'two secrets in the vault, or one that holds JSON',
  },
  KM206: {
    title: 'form of the certificate has no counterpart',
    severity: 'error',
    why: 'Type Opaque gives a certificate as the vault stores it, PFX or PEM. Keymount gives PEM.',
    right: 'output.secret.type: kubernetes.io/tls',
  },
  KM207: {
    title: 'key in another form',
    severity: 'error',
    why: 'akv2k8s gives the modulus of a key; Keymount gives the public key as PEM.',
    right: '--accept-pem, if the application reads PEM',
  },
  KM208: {
    title: 'transformation is not known',
    severity: 'error',
    why: 'trim, base64decode and base64encode become functions of a template.',
    right: 'trim, base64decode, base64encode',
  },
  KM209: {
    title: 'PFX in a plain secret',
    severity: 'error',
    why: 'A Secret of type kubernetes.io/tls is made of it; a file of a volume would be the PFX itself.',
    right: '--strategy secrets, or import it as a certificate',
  },
  KM210: {
    title: 'environment names an unknown object',
    severity: 'error',
    why: 'NAME@azurekeyvault is an AzureKeyVaultSecret of the namespace of the pod.',
    right: 'add the AzureKeyVaultSecret to the input',
  },
  KM211: {
    title: 'query has no counterpart',
    severity: 'error',
    why: 'A query chooses a member of a multi-key-value-secret, or tls.crt and tls.key of a certificate.',
    right: 'NAME@azurekeyvault?MEMBER',
  },
  KM212: {
    title: 'identity of its own',
    severity: 'error',
    why: 'azureIdentity names an identity of AAD Pod Identity. A class reads with the identity of a service account.',
    right: 'workload identity for the service account (docs/migrate-from-pod-identity.md), then remove azureIdentity',
  },
  KM213: {
    title: 'containers with different variables',
    severity: 'error',
    why: 'The annotation keymount.dev/env has one list of variables for a pod, and a container must not see what only another one had.',
    right: '--strategy secrets, or a pod for each',
  },
} as const satisfies MigrateRules
