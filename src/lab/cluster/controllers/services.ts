import { networkAddresses } from '#lab/router'
import { builtInRows } from '../api-server/kinds/built-in-kinds.ts'
import { keyOf } from '../api-server/kinds/resource-row.ts'
import type { PodNetwork } from '../network/pod-network.ts'
import { serviceRoutes } from '../network/service-routes.ts'
import type { Controller } from './controller.ts'

const manager = 'kube-apiserver'
const name = 'kubernetes'
const namespace = 'default'

/** The Service of the API server exists where Services carry traffic, which is how others know that they get addresses. */
export function apiServerService(wanted: boolean): Controller {
  return {
    name: 'api-server-service',
    watches: ['services', 'namespaces'],
    reconcile({ store, objects }) {
      const row = builtInRows.find((one) => keyOf(one) === 'services')
      const exists = store.get('services', namespace, name) !== undefined
      if (row === undefined || exists === wanted || store.get('namespaces', undefined, namespace) === undefined) return
      if (!wanted) {
        objects.delete(row, { namespace, name }, { dryRun: false })
        return
      }
      const clusterIP = networkAddresses.apiServer
      const spec = { clusterIP, clusterIPs: [clusterIP], ports: [{ name: 'https', port: 443, protocol: 'TCP' }] }
      objects.create(row, namespace, { metadata: { name }, spec }, { manager })
    },
  }
}

/** Leads connections to Services to their pods. */
export function services(network: PodNetwork): Controller {
  return {
    name: 'services',
    watches: ['services', 'pods'],
    reconcile({ store }) {
      network.setServices(serviceRoutes(store.list('services'), store.list('pods')))
    },
  }
}
