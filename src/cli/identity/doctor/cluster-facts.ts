import {
  type CsiDriver,
  isNotFound,
  type KubeClient,
  type KubeEvent,
  type KubeObject,
  type Namespace,
  type ObjectRef,
  type Pod,
  type Resource,
  resources,
  type ServiceAccount,
} from '#kubernetes/client'
import { type Answer, attempt } from '../../answer.ts'
import { controllerOf, topOwner } from '../workload-owner.ts'
import { driverName, type MountedClass } from './check-class.ts'
import { type WebhookConfiguration, webhookConfigurations } from './check-webhook.ts'
import { type Finding, note } from './finding.ts'

/** What the cluster says about a pod, as far as we may ask. */
export interface ClusterFacts {
  pod: Pod
  owner: { kind: string; name: string } | undefined
  accountRef: { namespace: string; name: string }
  account: Answer<ServiceAccount | undefined>
  namespace: Answer<Namespace | undefined>
  configurations: Answer<readonly WebhookConfiguration[]>
  driver: Answer<CsiDriver | undefined>
  classes: readonly MountedClass[]
  /** Why its volumes are not mounted, by the latest event. */
  lastError: readonly Finding[]
}

/** Undefined when there is no such pod. Only the pod itself must be readable. */
export async function gatherCluster(kube: KubeClient, ref: Required<ObjectRef>): Promise<ClusterFacts | undefined> {
  const pod = await findObject(kube, resources.pods, ref)
  if (pod === undefined) return undefined
  const { namespace } = ref
  const accountRef = { namespace: namespace ?? '', name: pod.spec.serviceAccountName ?? 'default' }
  const known = <T extends KubeObject>(resource: Resource<T>, object: ObjectRef) =>
    attempt(() => findObject(kube, resource, object))
  const volumes = (pod.spec.volumes ?? []).filter(({ csi }) => csi?.driver === driverName)
  const [owner, account, namespaceObject, configurations, driver, classes, lastError] = await Promise.all([
    ownerOf(kube, pod),
    known(resources.serviceAccounts, accountRef),
    known(resources.namespaces, { name: namespace ?? '' }),
    attempt(() => listConfigurations(kube)),
    known(resources.csiDrivers, { name: driverName }),
    Promise.all(
      volumes.map(async (volume) => {
        const name = volume.csi?.volumeAttributes?.secretProviderClass ?? ''
        return { name, volume, class: await known(resources.secretProviderClasses, { namespace, name }) }
      }),
    ),
    lastMountError(kube, pod),
  ])
  return { pod, owner, accountRef, account, namespace: namespaceObject, configurations, driver, classes, lastError }
}

async function findObject<T extends KubeObject>(
  kube: KubeClient,
  resource: Resource<T>,
  ref: ObjectRef,
): Promise<T | undefined> {
  try {
    return await kube.get(resource, ref)
  } catch (error) {
    if (isNotFound(error)) return undefined
    throw error
  }
}

/** The one at the top, or the one that the pod names when the others may not be read. */
async function ownerOf(kube: KubeClient, pod: Pod): Promise<ClusterFacts['owner']> {
  const top = await attempt(() => topOwner(kube, { ...pod, apiVersion: 'v1', kind: 'Pod' }))
  if ('why' in top) return controllerOf(pod)
  return top.value.kind === 'Pod' ? undefined : { kind: top.value.kind, name: top.value.metadata.name ?? '' }
}

async function listConfigurations(kube: KubeClient): Promise<readonly WebhookConfiguration[]> {
  try {
    return (await kube.list(webhookConfigurations)).items
  } catch (error) {
    if (isNotFound(error)) throw new Error('this cluster knows no admission webhooks')
    throw error
  }
}

async function lastMountError(kube: KubeClient, { metadata, status }: Pod): Promise<Finding[]> {
  if (status?.phase === 'Running' || status?.phase === 'Succeeded') return []
  const selector = { namespace: metadata.namespace, fieldSelector: `involvedObject.name=${metadata.name}` }
  const events = await attempt(() => kube.list(resources.events, selector))
  if ('why' in events) return []
  const failures = events.value.items.filter(({ reason }) => reason === 'FailedMount')
  const last = failures.toSorted((a, b) => timeOf(a).localeCompare(timeOf(b))).at(-1)
  return last === undefined ? [] : [note('last error', last.message ?? '')]
}

function timeOf({ lastTimestamp, eventTime, metadata }: KubeEvent): string {
  return lastTimestamp ?? eventTime ?? metadata.creationTimestamp ?? ''
}
