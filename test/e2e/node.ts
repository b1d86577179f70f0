import { type Pod, resources } from '../../src/kube/index.ts'
import type { Lab } from '../support/lab.ts'
import { eventually, podReady } from './wait.ts'

export type Product = 'secrets-store-csi-driver' | 'secrets-store-provider-azure'

/** The product's pod on the (only) node. */
export async function productPod(lab: Lab, app: Product): Promise<Pod> {
  const { items } = await lab.kube.list(resources.pods, { namespace: 'kube-system', labelSelector: `app=${app}` })
  const living = items.filter(({ metadata }) => metadata.deletionTimestamp === undefined)
  const [pod] = living
  if (pod === undefined) throw new Error(`no pod with app=${app} in kube-system`)
  return pod
}

/** Kills the product's pod without grace and waits until the DaemonSet has a new one that is Ready. */
export async function killProductPod(lab: Lab, app: Product): Promise<void> {
  const old = await productPod(lab, app)
  const ref = { namespace: 'kube-system', name: old.metadata.name ?? '' }
  await lab.kube.delete(resources.pods, ref, { gracePeriodSeconds: 0 })
  const name = await eventually(`a new ${app} pod`, async () => {
    const pod = await productPod(lab, app)
    return pod.metadata.uid === old.metadata.uid ? undefined : pod.metadata.name
  })
  await podReady(lab, 'kube-system', name)
}

/** Mount points of CSI volumes of a pod (of all pods without `uid`), as the driver, and so the node, sees them. */
export async function csiMounts(lab: Lab, uid = ''): Promise<string[]> {
  const driver = await productPod(lab, 'secrets-store-csi-driver')
  const script = 'process.stdout.write(require("node:fs").readFileSync("/proc/self/mountinfo", "utf8"))'
  const { stdout } = await lab.exec('kube-system', driver.metadata.name ?? '', 'secrets-store', [
    '/usr/local/bin/node',
    '-e',
    script,
  ])
  return stdout
    .split('\n')
    .map((line) => line.split(' ')[4] ?? '')
    .filter((point) => point.includes(`/pods/${uid}`) && point.includes('/volumes/kubernetes.io~csi/'))
}
