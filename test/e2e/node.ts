import { type Pod, resources } from '#kubernetes/client'
import { until } from '../support/eventually.ts'
import type { Lab } from '../support/lab.ts'
import { podReady } from './wait.ts'

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
  const name = await until(`a new ${app} pod`, async () => {
    const pod = await productPod(lab, app)
    return pod.metadata.uid === old.metadata.uid ? undefined : pod.metadata.name
  })
  await podReady(lab, 'kube-system', name)
}

/** Mount points of CSI volumes of a pod (of all pods without `uid`), as the driver, and so the node, sees them. */
export async function csiMounts(lab: Lab, uid = ''): Promise<string[]> {
  return (await csiMountLines(lab, uid)).map((line) => line.split(' ')[4] ?? '')
}

/** The same as lines of proc_pid_mountinfo(5). */
export async function csiMountLines(lab: Lab, uid = ''): Promise<string[]> {
  const table = await onNode(lab, 'fs.readFileSync("/proc/self/mountinfo", "utf8")')
  const isOurs = (point: string) => point.includes(`/pods/${uid}`) && point.includes('/volumes/kubernetes.io~csi/')
  return table.split('\n').filter((line) => isOurs(line.split(' ')[4] ?? ''))
}

/** What a JavaScript expression gives in the driver's container, which has kubelet's pods at their own path; it sees `fs` and `path`. */
export async function onNode(lab: Lab, expression: string, path = ''): Promise<string> {
  const driver = await productPod(lab, 'secrets-store-csi-driver')
  const script = `const fs = require("node:fs"); const [, path] = process.argv; process.stdout.write(String(${expression}))`
  const command = ['/usr/local/bin/node', '-e', script, path]
  const { stdout, stderr, code } = await lab.exec('kube-system', driver.metadata.name ?? '', 'secrets-store', command)
  if (code !== 0) throw new Error(`${expression} on the node ended with ${code}: ${stderr}`)
  return stdout
}
