import { ifFound, type KubeClient, type KubeObject, type Resource, resources, untyped } from '#kubernetes/client'

/** What can be restarted, by kind. */
export const workloadResources = {
  Deployment: resources.deployments,
  StatefulSet: resources.statefulSets,
  DaemonSet: untyped(resources.daemonSets),
  Rollout: resources.rollouts,
} as const satisfies Record<string, Resource>

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
  const text = await ifFound(kube.raw({ method: 'GET', path: `/apis/${group}/${version}`, signal }))
  return text?.includes(`"${plural}"`) ?? false
}
