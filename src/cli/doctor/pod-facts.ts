import {
  type KubeClient,
  type KubeEvent,
  type KubeObject,
  resources,
  type SecretProviderClassPodStatus,
} from '#kubernetes/client'
import { previewRestarts, type RestartPreview } from '#product/operator'
import { type Answer, attempt } from '../answer.ts'
import { classVolumes } from '../cluster/class-volumes.ts'
import { type ClusterFacts, gatherCluster } from '../identity/doctor/cluster-facts.ts'
import { controllerOf } from '../identity/workload-owner.ts'
import { type EnvWebhook, gatherEnvWebhook, lacksVariables } from './env-webhook.ts'
import { gatherNode, type NodeFacts, type ProductFacts } from './product-facts.ts'
import { type Report, reportsOf } from './reports.ts'
import { secretMetadata } from './secret-metadata.ts'

export interface PodRef {
  namespace: string
  name: string
}

/** Everything that is examined for one pod, each part an answer or the reason why there is none. Gathered once, judged later. */
export interface PodFacts {
  ref: PodRef
  cluster: ClusterFacts
  /** Undefined: the pod has no node yet. */
  node: NodeFacts | undefined
  events: Answer<readonly KubeEvent[]>
  /** Of the pod's volumes. */
  statuses: Answer<readonly SecretProviderClassPodStatus[]>
  /** What kubelet, driver and scheduler last reported. */
  reports: readonly Report[]
  /** Metadata of the Secrets that its classes make or its volumes name, by name; undefined: there is none. */
  secrets: ReadonlyMap<string, Answer<KubeObject | undefined>>
  /** Namespaces that have a class which the pod names and its own namespace lacks, with that class. */
  elsewhere: ReadonlyMap<string, KubeObject>
  /** What the operator would decide about its workload. */
  restart: Answer<RestartPreview | undefined>
  /** Events of the operator’s pods; none if no operator runs. */
  operatorEvents: Answer<readonly KubeEvent[]>
  /** Which webhook runs; undefined unless the pod lacks the environment variables that it asks for. */
  envWebhook: Answer<EnvWebhook> | undefined
  /** By the clock of the API server, in milliseconds. */
  nowMs: number
}

export interface Gathering {
  kube: KubeClient
  signal: AbortSignal
  /** Of the cluster, where several pods are examined. */
  product?: ProductFacts | undefined
}

/** Undefined if there is no such pod. */
export async function gatherPod({ kube, signal, product }: Gathering, ref: PodRef): Promise<PodFacts | undefined> {
  const cluster = await gatherCluster(kube, ref)
  if (cluster === undefined) return undefined
  const { pod } = cluster
  const { nodeName = '' } = pod.spec
  const [node, events, statuses, secrets, elsewhere, restart, operatorEvents, envWebhook] = await Promise.all([
    nodeName === '' ? undefined : gatherNode(kube, nodeName, product).then((found) => ({ ...found, isOfPod: true })),
    attempt(() => eventsOf(kube, ref)),
    attempt(() => statusesOf(kube, ref)),
    gatherSecrets(kube, cluster),
    classesElsewhere(kube, cluster),
    attempt(() => restartOf(kube, cluster, signal)),
    attempt(() => eventsOfOperator(kube)),
    lacksVariables(pod) ? gatherEnvWebhook(kube) : undefined,
  ])
  const reports = reportsOf(pod, 'value' in events ? events.value : [], 'value' in statuses ? statuses.value : [])
  const nowMs = Date.now() + (kube.clockOffsetMs() ?? 0)
  const found = { events, statuses, reports, secrets, elsewhere, restart, operatorEvents, envWebhook }
  return { ref, cluster, node, ...found, nowMs }
}

async function eventsOf(kube: KubeClient, { namespace, name }: PodRef): Promise<readonly KubeEvent[]> {
  return (await kube.list(resources.events, { namespace, fieldSelector: `involvedObject.name=${name}` })).items
}

/** Metadata alone: the pods themselves show nothing that is needed. */
async function eventsOfOperator(kube: KubeClient): Promise<readonly KubeEvent[]> {
  const labelSelector = 'app.kubernetes.io/component=operator,app.kubernetes.io/name=keymount'
  const { items } = await kube.list(resources.pods, { labelSelector, metadataOnly: true })
  const found = await Promise.all(
    items.slice(0, 4).map(({ metadata: { namespace = '', name = '' } }) => eventsOf(kube, { namespace, name })),
  )
  return found.flat()
}

async function statusesOf(kube: KubeClient, ref: PodRef): Promise<readonly SecretProviderClassPodStatus[]> {
  const { items } = await kube.list(resources.secretProviderClassPodStatuses, { namespace: ref.namespace })
  return items.filter(({ status }) => status?.podName === ref.name)
}

/** Names of Secrets come from tenants: more than this many are not asked for. */
const maxSecrets = 50

async function gatherSecrets(
  kube: KubeClient,
  { pod, classes, accountRef }: ClusterFacts,
): Promise<PodFacts['secrets']> {
  const ofClasses = classes.flatMap(({ class: found }) =>
    'value' in found ? (found.value?.spec?.secretObjects ?? []).map(({ secretName = '' }) => secretName) : [],
  )
  const ofVolumes = classVolumes(pod.spec).flatMap(({ volume }) => volume.csi?.nodePublishSecretRef?.name ?? [])
  const names = [...new Set([...ofClasses, ...ofVolumes])].filter((name) => name !== '').slice(0, maxSecrets)
  const { namespace } = accountRef
  const found = await Promise.all(
    names.map(async (name) => [name, await attempt(() => secretMetadata(kube, { namespace, name }))] as const),
  )
  return new Map(found)
}

/** Only looked for where a class is missing. */
async function classesElsewhere(kube: KubeClient, { classes }: ClusterFacts): Promise<PodFacts['elsewhere']> {
  const missing = classes.filter(({ class: found }) => 'value' in found && found.value === undefined)
  if (missing.length === 0) return new Map()
  const all = await attempt(() => kube.list(resources.secretProviderClasses))
  const items = 'value' in all ? all.value.items : []
  return new Map(
    missing.flatMap(({ className }) => {
      const other = items.find(({ metadata }) => metadata.name === className)
      return other === undefined ? [] : [[className, other] as const]
    }),
  )
}

/** The operator's defaults. */
const restartDefaults = {
  guess: false,
  reloaderAnnotations: false,
  rotationIntervalMs: 120_000,
  minIntervalMs: 300_000,
}

async function restartOf(
  kube: KubeClient,
  { owner, pod }: ClusterFacts,
  signal: AbortSignal,
): Promise<RestartPreview | undefined> {
  if (owner === undefined || controllerOf(pod) === undefined) return undefined
  const { namespace } = pod.metadata
  const previews = await previewRestarts(kube, { ...restartDefaults, namespace, signal })
  return previews.find(({ kind, name }) => kind === owner.kind && name === owner.name)
}
