import { join } from 'node:path'
import { type CsiDriver, type DaemonSet, isNotFound, type KubeObject, resources } from '#kubernetes/client'
import { bundleApplication } from '../../support/bundle-application.ts'
import { until } from '../../support/eventually.ts'
import type { Lab } from '../../support/lab.ts'
import { productPod } from '../node.ts'
import { podReady } from '../wait.ts'

/** The two drivers of one name that a cluster may have, one at a time, and the change between them. */
export interface DriverChange {
  /** Takes away whichever is there, as `helm uninstall` does: its DaemonSet and its CSIDriver. */
  remove(): Promise<void>
  /** Puts the upstream driver's stand-in where none is. */
  installUpstream(): Promise<void>
  /** Puts the product's driver where none is. */
  installProduct(): Promise<void>
  /** The product's driver is there, and nothing of the stand-in. */
  restore(): Promise<void>
}

const app = 'secrets-store-csi-driver'
const namespace = 'kube-system'
const programs = 'e2e-upstream-driver'

/** @param options.rotationSeconds after which the upstream driver asks again. */
export async function driverChange(lab: Lab, options: { rotationSeconds: number }): Promise<DriverChange> {
  const { kube } = lab
  const daemonSet = fresh(await daemonSetOfDriver(lab))
  const csiDriver = fresh(await kube.get(resources.csiDrivers, { name: 'secrets-store.csi.k8s.io' }))
  let installed: 'product' | 'upstream' | undefined = 'product'

  async function remove(): Promise<void> {
    await kube.delete(resources.daemonSets, ref(daemonSet))
    await kube.delete(resources.csiDrivers, ref(csiDriver))
    await until('the driver to be gone', async () => {
      const { items } = await kube.list(resources.pods, { namespace, labelSelector: `app=${app}` })
      return items.length === 0 || undefined
    })
    installed = undefined
  }

  async function install(daemons: DaemonSet): Promise<void> {
    await kube.create<CsiDriver>(resources.csiDrivers, csiDriver)
    await kube.create<DaemonSet>(resources.daemonSets, daemons)
    const pod = await until('a pod of the driver', () => productPod(lab, app))
    await podReady(lab, namespace, pod.metadata.name ?? '')
  }

  async function installProduct(): Promise<void> {
    await install(daemonSet)
    installed = 'product'
  }

  return {
    remove,
    installProduct,
    async installUpstream() {
      await kube.apply(
        resources.configMaps,
        {
          apiVersion: 'v1',
          kind: 'ConfigMap',
          metadata: { name: programs, namespace },
          data: { 'program.cjs': await bundleApplication(join(import.meta.dirname, 'program.ts')) },
        },
        { fieldManager: 'e2e' },
      )
      await install(withUpstreamProgram(daemonSet, options.rotationSeconds))
      installed = 'upstream'
    },
    async restore() {
      if (installed === 'upstream') await remove()
      if (installed === undefined) await installProduct()
      await kube.delete(resources.configMaps, { namespace, name: programs }).catch((error: unknown) => {
        if (!isNotFound(error)) throw error
      })
    },
  }
}

/** Found by its label: its name is another one where it is the add-on of a managed cluster. */
async function daemonSetOfDriver({ kube }: Lab): Promise<DaemonSet> {
  const [found] = (await kube.list(resources.daemonSets, { namespace, labelSelector: `app=${app}` })).items
  if (found === undefined) throw new Error(`no DaemonSet has the label app=${app}`)
  return found
}

/** An object as it is written, without what the API server adds. */
function fresh<T extends KubeObject>({ metadata, ...rest }: T): T {
  const { name, namespace: in_, labels = {}, annotations = {} } = metadata
  const written = { name, ...(in_ === undefined ? {} : { namespace: in_ }), labels, annotations }
  return { ...rest, metadata: written, status: undefined } as unknown as T
}

function ref({ metadata }: KubeObject) {
  return { name: metadata.name ?? '', namespace: metadata.namespace }
}

/** The product's own pod with another program in it: same account, same directories of the node, same rights, as upstream's. */
function withUpstreamProgram(product: DaemonSet, rotationSeconds: number): DaemonSet {
  const { template } = product.spec
  const containers = template.spec.containers.map(
    ({ livenessProbe: _, readinessProbe: __, args = [], volumeMounts = [], ...container }) => ({
      ...container,
      command: ['/usr/local/bin/node', '/program/program.cjs'],
      args: [...args.slice(1), `--rotation-seconds=${rotationSeconds}`],
      volumeMounts: [...volumeMounts, { name: 'program', mountPath: '/program' }],
    }),
  )
  const volumes = [...(template.spec.volumes ?? []), { name: 'program', configMap: { name: programs } }]
  return {
    ...product,
    spec: { ...product.spec, template: { ...template, spec: { ...template.spec, containers, volumes } } },
  }
}
