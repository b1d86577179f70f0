import { kubeconfigFlag, versionFlag } from '#daemon'
import type { FlagSpecs, Program } from '#lib/flags'

export const uninstallCheckFlags = {
  drivername: { type: 'string', default: 'secrets-store.csi.k8s.io', help: 'Name of the CSI driver' },
  kubeconfig: kubeconfigFlag,
  version: versionFlag,
} as const satisfies FlagSpecs

export interface UninstallCheckConfig {
  driver: string
  kubeconfig: string
}

export const uninstallCheckProgram: Program<typeof uninstallCheckFlags, UninstallCheckConfig> = {
  name: 'uninstall-check',
  summary: 'Lists the pods that have volumes of the driver, and fails if there are any: it cannot be uninstalled yet.',
  flags: uninstallCheckFlags,
  configure: ({ drivername: driver, kubeconfig }) => ({ driver, kubeconfig }),
}
