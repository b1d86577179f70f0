import { readFileSync } from 'node:fs'
import { createKubeClient, type KubeClient } from '#kubernetes/client'
import { createLabAzure, type Lab, type LabAzure, type LocalAzure, readCredentials } from '#lab/home'

/** Runs `use` with clients of a lab's cluster and of its local Azure, where everything is made in this resource group. */
export async function withLabClients<T>(
  { cluster }: Lab,
  { credentials, proxy, ca }: LocalAzure,
  resourceGroup: string,
  use: (clients: { kube: KubeClient; azure: LabAzure }) => Promise<T>,
): Promise<T> {
  const kube = createKubeClient(cluster.config)
  const azure = createLabAzure({
    credentials: readCredentials(credentials),
    proxy,
    ca: readFileSync(ca, 'utf8'),
    resourceGroup,
  })
  try {
    return await use({ kube, azure })
  } finally {
    azure.stop()
    kube.close()
  }
}
