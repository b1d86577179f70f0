import {
  isNotFound,
  type KubeClient,
  type KubeObject,
  type Resource,
  resources,
  type UntypedObject,
} from '#kubernetes/client'

/** https://argoproj.github.io/argo-rollouts/features/specification/ */
export const rollouts: Resource<UntypedObject> = {
  group: 'argoproj.io',
  version: 'v1alpha1',
  plural: 'rollouts',
  kind: 'Rollout',
  namespaced: true,
}

/** What can be restarted, by kind. */
export const workloadResources = {
  Deployment: resources.deployments,
  StatefulSet: resources.statefulSets,
  DaemonSet: { group: 'apps', version: 'v1', plural: 'daemonsets', kind: 'DaemonSet', namespaced: true },
  Rollout: rollouts,
} as const satisfies Record<string, Resource<UntypedObject>>

export type WorkloadKind = keyof typeof workloadResources

export interface WorkloadRef {
  kind: WorkloadKind
  namespace: string
  name: string
}

export function isWorkloadKind(kind: string): kind is WorkloadKind {
  return Object.hasOwn(workloadResources, kind)
}

/** `Deployment/web`, the key of a workload within its namespace. */
export function workloadKey({ kind, name }: Pick<WorkloadRef, 'kind' | 'name'>): string {
  return `${kind}/${name}`
}

/** A workload as users write it on a SecretSync, for example `deployment/web`; undefined for another text. */
export function parseTarget(text: string): { kind: WorkloadKind; name: string } | undefined {
  const [kindText = '', name = '', ...rest] = text.split('/')
  const kind = (Object.keys(workloadResources) as WorkloadKind[]).find(
    (one) => one.toLowerCase() === kindText.toLowerCase(),
  )
  if (kind === undefined || rest.length > 0 || !/^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/.test(name)) return undefined
  return { kind, name }
}

/** Whether the API server has this kind: a cluster without its definition has none of its objects either. */
export async function isServed(
  kube: KubeClient,
  { group, version, plural }: Resource<KubeObject>,
  signal: AbortSignal,
): Promise<boolean> {
  try {
    const text = await kube.raw({ method: 'GET', path: `/apis/${group}/${version}`, signal })
    return text.includes(`"${plural}"`)
  } catch (error) {
    if (isNotFound(error)) return false
    throw error
  }
}
