import { randomBytes } from 'node:crypto'
import { resources, wasFound } from '#kubernetes/client'
import { until } from '../support/eventually.ts'
import type { Lab } from '../support/lab.ts'

/** Those that were made, so that they can go before the product does. */
const namespaces = new Set<string>()

/** A namespace that no other case uses; gives its name. */
export async function createNamespace(lab: Lab, label: string): Promise<string> {
  const name = `e2e-${label}-${randomBytes(3).toString('hex')}`
  await lab.kube.create(resources.namespaces, { apiVersion: 'v1', kind: 'Namespace', metadata: { name } })
  namespaces.add(name)
  return name
}

/** Deletes what every case left in the cluster. Volumes are unmounted by the driver, so it must still be there. */
export async function removeNamespaces(lab: Lab): Promise<void> {
  for (const name of namespaces) await lab.kube.delete(resources.namespaces, { name })
  for (const name of namespaces) {
    const gone = async () => !(await wasFound(lab.kube.get(resources.namespaces, { name }))) || undefined
    await until(`namespace ${name} gone`, gone)
  }
  namespaces.clear()
}
