import type { Explanation } from './explanation.ts'

/** Why a pod does not get its environment variables: from the init container `keymount-env`, or from the webhook. */
export type EnvCode =
  | 'env-annotation-invalid'
  | 'env-file-not-written'
  | 'env-file-too-large'
  | 'env-name-invalid'
  | 'env-not-enabled'
  | 'env-not-supported'
  | 'env-source-missing'
  | 'env-source-unreadable'
  | 'env-value-not-representable'

/** Those that the webhook refuses a pod with. */
export const envRefusals: readonly EnvCode[] = ['env-annotation-invalid', 'env-not-enabled', 'env-not-supported']

export const envFindings: Readonly<Record<EnvCode, Explanation>> = {
  'env-annotation-invalid': {
    meaning: 'The annotation `keymount.dev/env` or `keymount.dev/env-containers` of the pod cannot be used.',
    fix: 'Correct it; the message has what would be right: `VARIABLE=FILE`, or `VARIABLE=CLASS:FILE` if the pod has several classes, separated by commas.',
  },
  'env-file-not-written': {
    meaning: 'The file with the environment variables could not be written.',
    fix: 'Give the init container a volume `emptyDir` at the directory of `--to`, which its user may write to.',
  },
  'env-file-too-large': {
    meaning: 'All environment variables of the pod together are larger than the 64 KiB that kubelet reads.',
    fix: 'Name fewer variables; let the application read large values from files.',
  },
  'env-name-invalid': {
    meaning: 'With `--all`, the name of a file gives no name of a variable, or the same as another file.',
    fix: 'Use `--prefix`, or name each variable with `--map VARIABLE=FILE`.',
  },
  'env-not-enabled': {
    meaning: 'The pod asks for environment variables, and the webhook of this cluster does not add them.',
    fix: '`helm upgrade keymount … --set webhook.envFiles.enabled=true`',
  },
  'env-not-supported': {
    meaning:
      'The pod asks for environment variables, and the cluster is older than Kubernetes 1.35, which reads them from files.',
    fix: 'Upgrade API server and nodes. Until then, use files, or a Kubernetes Secret (`secretObjects`) with `secretKeyRef`.',
  },
  'env-source-missing': {
    meaning: 'A file that an environment variable should come from is not in the volume.',
    fix: 'Use the name of a file of the class: the `objectAlias`, or the `objectName` without one.',
  },
  'env-source-unreadable': {
    meaning: 'The init container may not read a file of the volume.',
    fix: 'Set `securityContext.fsGroup` or `runAsUser` of the pod to the owner of the files, or a `filePermission` of the class that lets it read them.',
  },
  'env-value-not-representable': {
    meaning:
      'A value cannot be an environment variable from a file: the format has no escapes, so it may have no single quote, no NUL, no CR LF, and it may not be empty.',
    fix: 'Let the application read that value from its file, or change the value in the vault.',
  },
}
