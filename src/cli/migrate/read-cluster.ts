import type { LintFile } from '#azure/lint'
import {
  isForbidden,
  isNotFound,
  type KubeClient,
  type KubeObject,
  type Resource,
  resources,
  type UntypedObject,
  untyped,
} from '#kubernetes/client'
import { beyondLimit, errorMessage } from '#lib'
import { listOf, parseJson, stringOf, valueAt } from '#lib/formats'
import { CliError } from '#terminal'
import { attempt } from '../answer.ts'
import { printManifests } from '../manifests/print-manifests.ts'
import { migrateLimits } from './migrate-limits.ts'
import type { SourceName } from './migrate-options.ts'
import { type ReadManifests, readTexts } from './read-files.ts'
import { sources } from './sources/index.ts'

export interface ReadClusterOptions {
  from: SourceName | 'auto'
  /** Undefined: all. */
  namespace: string | undefined
  signal: AbortSignal
}

/**
 * The objects of a cluster that sources know, and pods and accounts that belong to them, with the caller's rights. Every
 * object is a file of its own, by its kind and name. Secrets are not read.
 */
export async function readCluster(kube: KubeClient, options: ReadClusterOptions): Promise<ReadManifests> {
  const files: LintFile[] = []
  const problems: string[] = []
  for (const resource of await resourcesOf(kube, options)) {
    const { namespace, signal } = options
    const of = resource.namespaced && namespace !== undefined ? { namespace } : {}
    const answer = await attempt(() =>
      kube.list(resource, { ...of, signal, pick: (object) => fileOf(object, resource) }),
    )
    if ('why' in answer) problems.push(`${resource.kind}: ${answer.why}`)
    else files.push(...answer.value.items)
    if (files.length > migrateLimits.objects.value)
      throw new CliError({
        what: 'The cluster has too many objects for one migration',
        why: beyondLimit(migrateLimits.objects, files.length),
        fix: ['migrate one namespace: -n NAMESPACE'],
      })
  }
  const read = readTexts(files.toSorted((a, b) => (a.name < b.name ? -1 : 1)))
  return { ...read, problems: [...problems, ...read.problems] }
}

/** Beside the kinds of the sources: what refers to their Secrets, and accounts, whose annotations name identities. */
const beside: readonly Resource[] = [
  untyped(resources.serviceAccounts),
  resources.deployments,
  resources.statefulSets,
  untyped(resources.daemonSets),
  resources.cronJobs,
]

async function resourcesOf(kube: KubeClient, { from, signal }: ReadClusterOptions): Promise<Resource[]> {
  const kinds = sources.filter(({ name }) => from === 'auto' || name === from).flatMap((source) => source.kinds)
  // GKE's and Arc's SecretSyncs read classes.
  const all = [...kinds, ...sources.flatMap((one) => (one.name === 'upstream' ? one.kinds : []))]
  const served = await servedVersions(kube, signal)
  const found = new Map<string, Resource>()
  for (const kind of all) {
    const key = `${kind.group}/${kind.plural}`
    const version = served.get(key)
    if (version !== undefined) found.set(key, { ...kind, version })
  }
  return [...found.values(), ...beside.filter(({ group, plural }) => served.has(`${group}/${plural}`) || group === '')]
}

const discovery = ['v2', 'v2beta1'].map(
  (version) => `application/json;g=apidiscovery.k8s.io;v=${version};as=APIGroupDiscoveryList`,
)

/** The preferred version of each kind that the cluster has, by group and plural: all in one request (Kubernetes 1.27). */
async function servedVersions(kube: KubeClient, signal: AbortSignal): Promise<ReadonlyMap<string, string>> {
  const headers = { accept: discovery.join(',') }
  const answer = parseJson('discovery', await kube.raw({ method: 'GET', path: '/apis', headers, signal }))
  const groups = listOf(valueAt(answer, 'items'))
  if (groups === undefined)
    throw new CliError({
      what: 'The cluster does not list its kinds',
      why: 'its API server has no aggregated discovery (Kubernetes 1.27 or newer)',
      fix: ['write its objects to a file: kubectl get externalsecrets,secretstores -A -o yaml > FILE'],
    })
  const served = new Map<string, string>()
  for (const group of groups)
    for (const one of listOf(valueAt(group, 'versions')) ?? [])
      for (const resource of listOf(valueAt(one, 'resources')) ?? []) {
        const key = `${stringOf(valueAt(group, 'metadata', 'name')) ?? ''}/${stringOf(valueAt(resource, 'resource')) ?? ''}`
        const version = stringOf(valueAt(one, 'version')) ?? ''
        // The preferred version is the first one.
        if (!served.has(key) && /^v[0-9a-z]{1,20}$/.test(version)) served.set(key, version)
      }
  return served
}

/** Fields that the cluster adds. */
const ofCluster = [
  'managedFields',
  'resourceVersion',
  'uid',
  'generation',
  'creationTimestamp',
  'selfLink',
  'ownerReferences',
  'finalizers',
] as const
const lastApplied = 'kubectl.kubernetes.io/last-applied-configuration'

function fileOf(object: KubeObject, { kind }: Resource): LintFile {
  const { status: _, metadata, ...rest } = object as UntypedObject & { status?: unknown }
  const kept = { ...metadata } as Record<string, unknown>
  for (const field of ofCluster) delete kept[field]
  const { [lastApplied]: __, ...annotations } = metadata.annotations ?? {}
  if (Object.keys(annotations).length === 0) delete kept.annotations
  else kept.annotations = annotations
  const { apiVersion, kind: own, ...fields } = rest
  const name = `cluster/${metadata.namespace ?? ''}/${kind.toLowerCase()}/${metadata.name ?? ''}`
  const written = { apiVersion, kind: own, metadata: kept, ...fields }
  return { name, text: printManifests([{ object: written }]) }
}

/** Reads the keys of Secrets that the conversion asks for: names alone, the values are dropped at once. */
export async function readKeysOfSecrets(
  kube: KubeClient,
  wanted: readonly { namespace: string; name: string }[],
  signal: AbortSignal,
): Promise<ReadonlyMap<string, readonly string[] | { why: string }>> {
  const found = new Map<string, readonly string[] | { why: string }>()
  for (const { namespace, name } of wanted) {
    const key = `${namespace}/${name}`
    try {
      const { data } = await kube.get(resources.secrets, { namespace, name }, { signal })
      found.set(key, Object.keys(data ?? {}).toSorted())
    } catch (error) {
      if (signal.aborted) throw error
      const why = isNotFound(error)
        ? `there is no Secret "${name}"`
        : isForbidden(error)
          ? `you have no right to get the Secret "${name}"`
          : errorMessage(error)
      found.set(key, { why })
    }
  }
  return found
}
