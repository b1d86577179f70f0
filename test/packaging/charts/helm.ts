import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import type { TestContext } from 'node:test'
import { promisify } from 'node:util'
import { parseAllDocuments, stringify } from 'yaml'
import { packageCharts } from '#packaging/charts'
import { helm } from '../../../scripts/render-manifests.ts'
import { temporaryDirectory } from '../../support/temporary-directory.ts'

/** The chart of this repository. */
export const chartDirectory = resolve(import.meta.dirname, '../../../charts/keymount')

export { helm }

/** Options of a test that needs helm: skipped, with the reason, where helm is not installed. */
export const needsHelm =
  helm === undefined ? { skip: 'helm not found: put it on the PATH or name it in KEYMOUNT_HELM' } : {}

/** A Kubernetes object, as far as these tests look into any of them. */
export interface Manifest {
  apiVersion: string
  kind: string
  metadata: { name: string; namespace?: string; labels?: Record<string, string>; annotations?: Record<string, string> }
  [field: string]: unknown
}

export interface TemplateOptions {
  /** Directory or package of the chart. Default: charts/keymount. */
  chart?: string
  release?: string
  namespace?: string
  kubeVersion?: string
  /** Kinds that the cluster has in addition to those that helm expects, such as `example.com/v1/Kind`. */
  apiVersions?: readonly string[]
  /** Also what `helm test` would create. */
  tests?: boolean
}

/** `helm template` with these values (as in a values file). Rejects with what helm printed. */
export async function template(values: object = {}, options: TemplateOptions = {}): Promise<Manifest[]> {
  const { chart = chartDirectory, release = 'keymount', namespace = 'kube-system', kubeVersion = '1.34.0' } = options
  const kinds = (options.apiVersions ?? []).flatMap((kind) => ['--api-versions', kind])
  const tests = options.tests === true ? [] : ['--skip-tests']
  const directory = await mkdtemp(join(tmpdir(), 'keymount-helm-'))
  try {
    const file = join(directory, 'values.yaml')
    await writeFile(file, stringify(values))
    const { stdout } = await promisify(execFile)(
      helm ?? 'helm',
      ['template', release, chart, '-n', namespace, '-f', file, '--kube-version', kubeVersion, ...kinds, ...tests],
      { maxBuffer: 16 * 1024 * 1024 },
    )
    return parseManifests(stdout)
  } finally {
    await rm(directory, { recursive: true })
  }
}

/** Every object of a stream of YAML documents. Throws on YAML that is not valid, duplicate keys included. */
export function parseManifests(text: string): Manifest[] {
  const documents = parseAllDocuments(text)
  if ('empty' in documents) return []
  return documents.flatMap((document) => {
    const [error] = document.errors
    if (error !== undefined) throw error
    const object = document.toJS() as Manifest | null
    return object === null ? [] : [object]
  })
}

interface Container {
  image: string
  args: string[]
  env: { name: string; value?: string }[]
  envFrom?: unknown[]
  ports: { name: string; containerPort: number }[]
  securityContext: Record<string, unknown>
  resources?: unknown
  volumeMounts: { name: string; mountPath: string; mountPropagation?: string }[]
}

interface PodSpec {
  serviceAccountName: string
  automountServiceAccountToken?: boolean
  hostNetwork?: boolean
  priorityClassName?: string
  nodeSelector: Record<string, string>
  tolerations?: unknown[]
  affinity?: unknown
  imagePullSecrets?: unknown[]
  containers: Container[]
  volumes: { name: string; hostPath?: { path: string } }[]
}

/** A DaemonSet with the parts that tests ask for at the top. */
export interface DaemonSetParts {
  name: string
  selector: Record<string, string>
  updateStrategy: unknown
  /** Of its pods. */
  labels: Record<string, string>
  annotations: Record<string, string>
  pod: PodSpec
  container: Container
}

/** The DaemonSets among objects, in their order: the driver's before the provider's. */
export function daemonSets(objects: Manifest[]): DaemonSetParts[] {
  return objects
    .filter(({ kind }) => kind === 'DaemonSet')
    .map(({ metadata: { name }, spec }) => {
      const {
        selector,
        updateStrategy,
        template: pods,
      } = spec as {
        selector: { matchLabels: Record<string, string> }
        updateStrategy: unknown
        template: { metadata: Pick<DaemonSetParts, 'labels' | 'annotations'>; spec: PodSpec }
      }
      const [container] = pods.spec.containers
      if (container === undefined) throw new Error(`DaemonSet ${name} has no container`)
      return { name, selector: selector.matchLabels, updateStrategy, ...pods.metadata, pod: pods.spec, container }
    })
}

/** The command line of a container without the daemon's name. */
export function flagsOf({ args }: Container): string[] {
  return args.slice(1)
}

export interface Rule {
  apiGroups: string[]
  resources: string[]
  verbs: string[]
}

/** What the objects give a service account in the whole cluster. */
export function rulesFor(objects: Manifest[], account: string): Rule[] {
  const roles = objects
    .filter(({ kind }) => kind === 'ClusterRoleBinding')
    .map((object) => object as unknown as { roleRef: { name: string }; subjects: { name: string }[] })
    .filter(({ subjects }) => subjects.some(({ name }) => name === account))
    .map(({ roleRef }) => roleRef.name)
  return objects
    .filter(({ kind, metadata }) => kind === 'ClusterRole' && roles.includes(metadata.name))
    .flatMap((role) => role.rules as Rule[])
}

export const charts = resolve(import.meta.dirname, '../../../charts')

/** The package of a chart on disk, for helm. */
export async function packaged(t: TestContext, name: string): Promise<string> {
  const packages = await packageCharts({ directory: charts })
  const chart = packages.find(({ metadata }) => metadata.name === name)
  const directory = temporaryDirectory(t, 'thin-chart-')
  const path = join(directory, chart?.fileName ?? '')
  await writeFile(path, chart?.bytes ?? '')
  return path
}
