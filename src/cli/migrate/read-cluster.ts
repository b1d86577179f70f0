import { stringify } from 'yaml'
import type { LintFile } from '#azure/lint'
import {
  isForbidden,
  isNotFound,
  type KubeClient,
  type KubeObject,
  type Resource,
  resources,
  type UntypedObject,
} from '#kubernetes/client'
import { beyondLimit, errorMessage } from '#lib'
import { listOf, parseJson, stringOf, valueAt } from '#lib/formats'
import { CliError } from '#terminal'
import { attempt } from '../answer.ts'
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
  resources.serviceAccounts as unknown as Resource,
  resources.deployments,
  resources.statefulSets,
  resources.daemonSets as unknown as Resource,
  { group: 'batch', version: 'v1', plural: 'cronjobs', kind: 'CronJob', namespaced: true },
]

async function resourcesOf(kube: KubeClient, { from, signal }: ReadClusterOptions): Promise<Resource[]> {
  const kinds = sources.filter(({ name }) => from === 'auto' || name === from).flatMap((source) => source.kinds)
  // GKE's and Arc's SecretSyncs read classes.
  const all = [...kinds, ...sources.flatMap((one) => (one.name === 'upstream' ? one.kinds : []))]
  const found: Resource[] = []
  for (const group of new Set(all.map((one) => one.group))) {
    const versions = await servedVersions(kube, group, signal)
    for (const kind of new Set(all.filter((one) => one.group === group))) {
      const version = versions.find(({ plurals }) => plurals.includes(kind.plural))?.version
      if (version !== undefined && !found.some((one) => one.group === group && one.plural === kind.plural))
        found.push({ ...kind, version })
    }
  }
  return [...found, ...beside]
}

/** Versions of a group with their kinds, the preferred one first; none for a group that the cluster does not have. */
async function servedVersions(kube: KubeClient, group: string, signal: AbortSignal) {
  const ask = async (path: string) => parseJson('discovery', await kube.raw({ method: 'GET', path, signal }))
  try {
    const answer = await ask(`/apis/${group}`)
    const preferred = stringOf(valueAt(answer, 'preferredVersion', 'version')) ?? ''
    const listed = (listOf(valueAt(answer, 'versions')) ?? []).map((one) => stringOf(valueAt(one, 'version')) ?? '')
    const versions = [...new Set([preferred, ...listed])].filter((one) => /^v[0-9a-z]{1,20}$/.test(one)).slice(0, 10)
    return await Promise.all(
      versions.map(async (version) => {
        const rows = listOf(valueAt(await ask(`/apis/${group}/${version}`), 'resources')) ?? []
        return { version, plurals: rows.map((row) => stringOf(valueAt(row, 'name')) ?? '') }
      }),
    )
  } catch (error) {
    if (isNotFound(error) || isForbidden(error)) return []
    throw error
  }
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
  return { name, text: stringify(written, { lineWidth: 0, aliasDuplicateObjects: false }) }
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
