import { createKubeClient, isNotFound, resources } from '#kubernetes/client'
import type { Lab, LocalAzure } from '#lab/home'
import { withLabClients } from '../example/clients-of-lab.ts'
import {
  applyExample,
  createExampleIdentity,
  createExampleVault,
  exampleNames,
  examplePod,
} from '../example/example.ts'

/** Name of the example's vault and of its resource group. */
export const exampleVault = 'keymount-example'

/** Sets up examples/workload-identity, unless its pod is there: what a user has changed since stays as it is. */
export async function setUpExample(lab: Lab, localAzure: LocalAzure, packageRoot: string): Promise<string> {
  await withLabClients(lab, localAzure, exampleVault, async (clients) => {
    if ((await clients.kube.get(resources.pods, examplePod).catch(undefinedIfAbsent)) !== undefined) return
    const place = { ...clients, issuer: lab.cluster.issuer, vault: exampleVault, packageRoot }
    await createExampleVault(place, 'MyAKSExampleSecret')
    await applyExample(place, await createExampleIdentity(place))
  })
  return `${exampleNames.secret} of vault ${exampleVault}\nin pod ${exampleNames.pod}`
}

/** Whether the pod of the example is in the cluster. */
export async function hasExample({ cluster, azure }: Lab): Promise<boolean> {
  if (azure === undefined) return false
  const kube = createKubeClient(cluster.config)
  try {
    return (await kube.get(resources.pods, examplePod).catch(undefinedIfAbsent)) !== undefined
  } finally {
    kube.close()
  }
}

function undefinedIfAbsent(error: unknown): undefined {
  if (!isNotFound(error)) throw error
}
