import { createKubeClient, type KubeClient, KubeError, podsThatMount } from '#kubernetes/client'
import { errorMessage } from '#lib'
import { CliError, countOf } from '#terminal'
import { KubeconfigError, readKubeconfig } from '../clusters/read-kubeconfig.ts'
import { readUserCluster } from '../clusters/user-cluster-record.ts'
import type { Session } from '../session.ts'
import { removeProduct } from './install-product.ts'
import { objectsToRemove } from './lab-product.ts'
import { driverName } from './product-status.ts'
import { webhookObjects } from './webhook-objects.ts'

/** Removes Keymount from a cluster of the user's. Gives whether there was anything to remove. */
export async function removeFromCluster(
  { home, world, terminal }: Session,
  kubeconfig: string,
  { force = false }: { force?: boolean | undefined },
): Promise<boolean> {
  try {
    const kube = createKubeClient(readKubeconfig(kubeconfig, world.env))
    const remove = async () => {
      if (!force) await refuseWhileMounted(kube, home.option)
      const withWebhook = readUserCluster(home)?.parts.includes('webhook') === true
      const webhook = withWebhook ? webhookObjects(world.packageRoot, { tenantId: '' }) : []
      return removeProduct(kube, [...objectsToRemove(world.packageRoot), ...webhook])
    }
    const describe = (count: number) =>
      `${countOf(count, 'object')} removed from ${kube.server}; its CustomResourceDefinitions and your classes are kept`
    return (await terminal.step('Keymount', remove, describe).finally(kube.close)) > 0
  } catch (error) {
    if (!isOutOfReach(error)) throw error
    if (force) return false
    throw new CliError({
      what: 'Keymount cannot be removed from the cluster, so the lab stays up',
      why: errorMessage(error),
      fix: ['bring the cluster back, and try again', `or, if it is gone for good: keymount down --force${home.option}`],
      cause: error,
    })
  }
}

/** The cluster does not answer, or its kubeconfig is missing. */
function isOutOfReach(error: unknown): boolean {
  return error instanceof KubeError ? error.status === 0 : error instanceof KubeconfigError
}

/**
 * Without the driver, kubelet cannot unmount, and pods with its volumes would stay in Terminating. Throws {@link CliError}
 * with their names.
 */
export async function refuseWhileMounted(kube: KubeClient, homeOption = ''): Promise<void> {
  const users = await podsThatMount(kube, driverName)
  if (users.length === 0) return
  throw new CliError({
    what: 'Keymount cannot be removed from the cluster while pods have its volumes mounted',
    why: users.join(', '),
    fix: [
      'delete these pods first',
      `or remove it nevertheless; the pods then hang when they are deleted: keymount down --force${homeOption}`,
    ],
  })
}
