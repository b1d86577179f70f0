import type { LintFile } from '#azure/lint'
import { isForbidden, isNotFound, type KubeClient, type KubeObject, type Resource, resources } from '#kubernetes/client'
import { recordOf } from '#lib/formats'
import { bindingAnnotation, identityAnnotations, useLabel } from '../identity-keys.ts'
import { workloadResource } from '../workload-owner.ts'

/** What a cluster has of the kinds that a plan reads, as texts of manifests. A kind that is not installed has no objects. */
export async function clusterManifests(kube: KubeClient, signal: AbortSignal): Promise<LintFile[]> {
  const kinds: Resource<KubeObject>[] = [
    resources.secretProviderClasses,
    resources.serviceAccounts,
    ...workloads,
    resources.secretSyncs,
    resources.clusterRoles,
    resources.clusterRoleBindings,
    resources.pods,
  ]
  const lists = await Promise.all(kinds.map(async (kind) => ({ kind, items: await listOf(kube, kind, signal) })))
  return lists.flatMap(({ kind, items }) => items.flatMap((item) => fileOf(kind, item)))
}

const workloads = [
  ['apps/v1', 'Deployment'],
  ['apps/v1', 'StatefulSet'],
  ['apps/v1', 'DaemonSet'],
  ['batch/v1', 'Job'],
  ['batch/v1', 'CronJob'],
].flatMap(([apiVersion = '', kind = '']) => workloadResource({ apiVersion, kind }) ?? [])

async function listOf(kube: KubeClient, kind: Resource<KubeObject>, signal: AbortSignal): Promise<KubeObject[]> {
  try {
    return (await kube.list(kind, { signal })).items
  } catch (error) {
    // Without SecretSyncs, or the right to read roles, the plan has more to do than is missing.
    const isOptional = isNotFound(error) || (isForbidden(error) && !needed.has(kind.kind))
    if (isOptional) return []
    throw error
  }
}

const needed: ReadonlySet<string> = new Set(['SecretProviderClass', 'ServiceAccount', 'Pod'])

/** Only what a plan reads: pods of a large cluster have much else. A pod with a controller is read from its workload. */
function fileOf({ group, version, kind }: Resource<KubeObject>, object: KubeObject): LintFile[] {
  const { name = '', namespace, labels, annotations, ownerReferences } = object.metadata
  if (kind === 'Job' && ownerReferences?.some((owner) => owner.kind === 'CronJob')) return []
  const isOfWorkload = ownerReferences?.some(
    (owner) => owner.kind === 'ReplicaSet' || workloads.some((one) => one.kind === owner.kind),
  )
  if (kind === 'Pod' && isOfWorkload === true) return []
  if (kind.startsWith('ClusterRole') && !name.startsWith('keymount-identity-')) return []
  const kept = Object.fromEntries(
    Object.entries(annotations ?? {}).filter(
      ([key]) => key === bindingAnnotation || Object.values<string>(identityAnnotations).includes(key),
    ),
  )
  const value = {
    apiVersion: group === '' ? version : `${group}/${version}`,
    kind,
    metadata: {
      name,
      namespace,
      annotations: kept,
      labels: labels?.[useLabel] === undefined ? {} : { [useLabel]: labels[useLabel] },
    },
    spec: recordOf('spec' in object ? object.spec : undefined),
  }
  const place = namespace === undefined ? name : `${namespace}/${name}`
  return [{ name: `cluster ${place}`, text: JSON.stringify(value) }]
}
