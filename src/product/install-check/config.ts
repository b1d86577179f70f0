import { kubeconfigFlag, versionFlag } from '#daemon'
import type { FlagSpecs, Program } from '#lib/flags'

export const installCheckFlags = {
  namespace: { type: 'string', default: 'kube-system', help: 'Namespace of the release' },
  selector: {
    type: 'string',
    default: 'app.kubernetes.io/name=keymount',
    help: 'Label selector of the DaemonSets and Deployments of the release',
  },
  drivername: {
    type: 'string',
    default: '',
    help: 'CSI driver that kubelet must know on each of its nodes; empty: none',
  },
  'webhook-configuration': {
    type: 'string',
    default: '',
    help: 'MutatingWebhookConfiguration that must call the webhook; empty: none',
  },
  wait: { type: 'duration', default: 60_000, help: 'How long to wait for all of it' },
  kubeconfig: kubeconfigFlag,
  version: versionFlag,
} as const satisfies FlagSpecs

export interface InstallCheckConfig {
  namespace: string
  selector: string
  /** Empty: no driver is installed. */
  driver: string
  /** Empty: no webhook is installed. */
  webhookConfiguration: string
  waitMs: number
  kubeconfig: string
}

export const installCheckProgram: Program<typeof installCheckFlags, InstallCheckConfig> = {
  name: 'install-check',
  summary: 'Waits until everything of a release works, and fails with what does not.',
  flags: installCheckFlags,
  configure: (flags) => ({
    namespace: flags.namespace,
    selector: flags.selector,
    driver: flags.drivername,
    webhookConfiguration: flags['webhook-configuration'],
    waitMs: flags.wait,
    kubeconfig: flags.kubeconfig,
  }),
}
