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
  type SecretProviderClassPodStatus,
  type ServiceAccount,
  statusAnnotations,
} from '#kubernetes/client'
import { driverName } from '#lab/home'
import { type Answer, attempt } from '../../answer.ts'
import { classVolumes } from '../../cluster/class-volumes.ts'
import { failureText, mountFailureText } from '../../cluster/failure-text.ts'
import { findObject } from '../../cluster/find-object.ts'
import { templateOf } from '../detect/migrated-workload.ts'
import type { ServiceAccountRef } from '../names.ts'
import { controllerOf, topOwner } from '../workload-owner.ts'
import type { MountedClass } from './check-class.ts'
import type { PodOwner } from './check-pod.ts'
import { type WebhookConfiguration, webhookConfigurations } from './check-webhook.ts'
import { type Installation, installationOf } from './installation.ts'

/** What the cluster shows of a pod, as far as the user may read it. */
export interface ClusterFacts {
  pod: Pod
  owner: PodOwner | undefined
  accountRef: ServiceAccountRef
  account: Answer<ServiceAccount | undefined>
  namespace: Answer<Namespace | undefined>
  configurations: Answer<readonly WebhookConfiguration[]>
  driver: Answer<CsiDriver | undefined>
  classes: readonly MountedClass[]
  /** Names of the classes of the namespace; empty if they may not be listed. */
  classNames: readonly string[]
  installation: Installation
  /** The text of `/version`. */
  version: Answer<string>
  /** Why a volume is not mounted, or not rotated, by the latest report. */
  lastErrors: readonly string[]
}

/** Undefined if there is no such pod. Only the pod itself must be readable. */
export async function gatherCluster(kube: KubeClient, ref: Required<ObjectRef>): Promise<ClusterFacts | undefined> {
  const pod = await findObject(kube, resources.pods, ref)
  if (pod === undefined) return undefined
  const namespace = ref.namespace ?? ''
  const accountRef = { namespace, name: pod.spec.serviceAccountName ?? 'default' }
  const find = <T extends KubeObject>(resource: Resource<T>, object: ObjectRef) =>
    attempt(() => findObject(kube, resource, object))
  const [
    owner,
    account,
    namespaceObject,
    configurations,
    { driver, installation, version },
    classes,
    classNames,
    lastErrors,
  ] = await Promise.all([
    ownerOf(kube, pod),
    find(resources.serviceAccounts, accountRef),
    find(resources.namespaces, { name: namespace }),
    attempt(() => listConfigurations(kube)),
    gatherInstallation(kube),
    Promise.all(
      classVolumes(pod.spec).map(async (volume) => ({
        ...volume,
        class: await find(resources.secretProviderClasses, { namespace, name: volume.className }),
      })),
    ),
    namesOfClasses(kube, namespace),
    lastErrorsOf(kube, pod),
  ])
  const shared = { configurations, driver, classes, classNames, installation, version, lastErrors }
  return { pod, owner, accountRef, account, namespace: namespaceObject, ...shared }
}

/** The CSIDriver object, the version of the API server, and how Keymount was installed. */
export async function gatherInstallation(
  kube: KubeClient,
): Promise<Pick<ClusterFacts, 'driver' | 'installation' | 'version'>> {
  const [driver, version] = await Promise.all([
    attempt(() => findObject(kube, resources.csiDrivers, { name: driverName })),
    attempt(() => kube.raw({ method: 'GET', path: '/version' })),
  ])
  return { driver, version, installation: installationOf(driver, version, kube.userName) }
}

/** The one at the top, or the one that the pod names if the others may not be read. */
async function ownerOf(kube: KubeClient, pod: Pod): Promise<PodOwner | undefined> {
  const top = await attempt(() => topOwner(kube, { ...pod, apiVersion: 'v1', kind: 'Pod' }))
  if ('why' in top) {
    const controller = controllerOf(pod)
    return controller && { kind: controller.kind, name: controller.name, variables: undefined }
  }
  const { kind, metadata } = top.value
  if (kind === 'Pod') return undefined
  const { containers } = templateOf(top.value).spec
  const variables = containers.flatMap(({ env = [] }) => env.map(({ name }) => name))
  return { kind, name: metadata.name ?? '', variables }
}

async function listConfigurations(kube: KubeClient): Promise<readonly WebhookConfiguration[]> {
  try {
    return (await kube.list(webhookConfigurations)).items
  } catch (error) {
    if (isNotFound(error)) throw new Error('this cluster has no admission webhooks')
    throw error
  }
}

async function namesOfClasses(kube: KubeClient, namespace: string): Promise<string[]> {
  const classes = await attempt(() => kube.list(resources.secretProviderClasses, { namespace }))
  return 'value' in classes ? classes.value.items.map(({ metadata }) => metadata.name ?? '') : []
}

/** Of a pod that is not running, the last failure to mount; of any pod, volumes whose last check has failed. */
async function lastErrorsOf(kube: KubeClient, pod: Pod): Promise<string[]> {
  const { namespace, name } = pod.metadata
  const isStarting = pod.status?.phase !== 'Running' && pod.status?.phase !== 'Succeeded'
  const [events, statuses] = await Promise.all([
    attempt(() => kube.list(resources.events, { namespace, fieldSelector: `involvedObject.name=${name}` })),
    attempt(() => kube.list(resources.secretProviderClassPodStatuses, { namespace })),
  ])
  const failures = 'value' in events && isStarting ? events.value.items.filter(isMountFailure) : []
  const last = failures.toSorted((a, b) => timeOf(a).localeCompare(timeOf(b))).at(-1)?.message
  const rotations = 'value' in statuses ? statuses.value.items.flatMap((one) => rotationFailure(one, name)) : []
  return [...(last === undefined ? [] : [mountFailureText(last)]), ...rotations]
}

function isMountFailure({ reason }: KubeEvent): boolean {
  return reason === 'FailedMount'
}

function timeOf({ lastTimestamp, eventTime, metadata }: KubeEvent): string {
  return lastTimestamp ?? eventTime ?? metadata.creationTimestamp ?? ''
}

function rotationFailure({ metadata, status }: SecretProviderClassPodStatus, pod: string | undefined): string[] {
  const failure = metadata.annotations?.[statusAnnotations.lastFailure]
  if (failure === undefined || status?.podName !== pod) return []
  const since = metadata.annotations?.[statusAnnotations.failingSince]
  return [
    `class ${status?.secretProviderClassName}: rotation has failed since ${since ?? 'an unknown time'}: ${failureText(failure)}`,
  ]
}
