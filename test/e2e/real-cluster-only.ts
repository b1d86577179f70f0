import { helm } from '../packaging/charts/helm.ts'

const { KEYMOUNT_E2E, NODE_HOST } = process.env

/** Whether the tests run on a real cluster, which KUBECONFIG names, and not on local ones. */
export const isRealCluster = KEYMOUNT_E2E === 'real'

export const noHelm = helm === undefined ? 'helm not found: put it on the PATH or name it in KEYMOUNT_HELM' : undefined

export const noNodeHost =
  NODE_HOST === undefined ? 'NODE_HOST has to be the address by which pods reach this machine' : undefined

/**
 * Options of a test that runs on a real cluster alone.
 *
 * @param lacking what keeps it from the local cluster
 * @param missing what else it needs: each names what is not installed, or is undefined
 */
export function realClusterOnly(lacking: string, ...missing: (string | undefined)[]): { skip?: string } {
  const elsewhere = isRealCluster ? undefined : `${lacking}: npm run e2e`
  const skip = [elsewhere, ...missing].find((reason) => reason !== undefined)
  return skip === undefined ? {} : { skip }
}
