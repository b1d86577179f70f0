import type { TestContext } from 'node:test'
import { createKubeClient, type KubeClient, loadKubeconfig } from '#kubernetes/client'

/** A client of the cluster that a kubeconfig names. It ends with the test. */
export function kubeClientOf(t: Pick<TestContext, 'after'>, kubeconfig: string): KubeClient {
  const kube = createKubeClient(loadKubeconfig(kubeconfig, { environment: process.env }))
  t.after(() => kube.close())
  return kube
}
