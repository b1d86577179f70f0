import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { parseAllDocuments } from 'yaml'

const file = resolve(import.meta.dirname, '../../deploy/keymount.yaml')

/** A Kubernetes object, as far as these tests look into any of them. */
export interface Manifest {
  apiVersion: string
  kind: string
  metadata: { name: string; namespace?: string; labels?: Record<string, string> }
  [field: string]: unknown
}

export interface DaemonSet extends Manifest {
  metadata: Manifest['metadata'] & { labels: Record<string, string> }
  spec: {
    selector: { matchLabels: Record<string, string> }
    template: {
      metadata: { labels: Record<string, string> }
      spec: {
        serviceAccountName: string
        hostNetwork?: boolean
        containers: Container[]
        volumes: { name: string; hostPath?: { path: string }; configMap?: { name: string; optional: boolean } }[]
      }
    }
  }
}

export interface Container {
  name: string
  image: string
  args: string[]
  env: { name: string; value?: string }[]
  envFrom?: { configMapRef: { name: string; optional: boolean } }[]
  ports: { name: string; containerPort: number }[]
  livenessProbe: { httpGet: { path: string; port: string } }
  securityContext: Record<string, unknown>
  volumeMounts: { name: string; mountPath: string; mountPropagation?: string }[]
}

/** All objects of deploy/keymount.yaml, in the order in which `kubectl apply` applies them. */
export const manifests: readonly Manifest[] = parseAllDocuments(readFileSync(file, 'utf8')).map((document) => {
  const [error] = document.errors
  if (error !== undefined) throw new Error(`${file}: ${error.message}`)
  return document.toJS() as Manifest
})

export function manifest(kind: string, name: string): Manifest {
  const found = manifests.find((object) => object.kind === kind && object.metadata.name === name)
  if (found === undefined) throw new Error(`deploy/keymount.yaml has no ${kind} ${name}`)
  return found
}

export function daemonSet(app: 'secrets-store-csi-driver' | 'secrets-store-provider-azure') {
  const found = manifests.find(({ kind, metadata }) => kind === 'DaemonSet' && metadata.labels?.app === app)
  if (found === undefined) throw new Error(`deploy/keymount.yaml has no DaemonSet with app=${app}`)
  const set = found as DaemonSet
  const [container] = set.spec.template.spec.containers
  if (container === undefined) throw new Error(`DaemonSet ${set.metadata.name} has no container`)
  return { set, pod: set.spec.template.spec, container }
}
