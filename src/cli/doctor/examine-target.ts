import { join } from 'node:path'
import { isPodReady, type KubeClient, type Pod, resources, type UntypedObject } from '#kubernetes/client'
import { forEachLimited } from '#lib/async'
import { recordOf } from '#lib/formats'
import { codesIn } from '#product/error-catalogue'
import { attempt } from '../answer.ts'
import { noSuchObject } from '../cluster/no-such-object.ts'
import { gatherInstallation } from '../identity/doctor/cluster-facts.ts'
import { addEnvFilesCommands } from '../identity/doctor/installation.ts'
import { examineCluster } from './examine-cluster.ts'
import { examineClassAlone, examineNode, examineSecretSync } from './examine-others.ts'
import { type AzureAccess, examinePod } from './examine-pod.ts'
import { gatherPod, type PodRef } from './pod-facts.ts'
import { probePod } from './probe.ts'
import { gatherProduct, type ProductFacts } from './product-facts.ts'
import type { DoctorReport } from './report.ts'
import { fail, type Observed, type Step, stepIds, tableOf } from './step.ts'
import type { Target } from './target.ts'

export interface TargetExamination {
  target: Target
  namespace: string
  /** As `-n` names it: a summary is then about it alone. */
  givenNamespace: string | undefined
  kube: KubeClient
  azure: AzureAccess
  probe: boolean
  packageRoot: string
  /** Path of the file, to name the cluster by. */
  kubeconfig: string
  signal: AbortSignal
}

/** The report about any target. Rejects with `CliError` if it does not exist. */
export async function examineTarget(examination: TargetExamination): Promise<DoctorReport> {
  const { target, namespace, givenNamespace, kube, packageRoot, kubeconfig } = examination
  const { kind, name } = target
  const where = ` (${kube.server}, ${kubeconfig})`
  const report = (title: string, observed: Observed, notes: readonly string[] = []): DoctorReport => ({
    target:
      (kind === 'cluster' && givenNamespace === undefined) || kind === 'node'
        ? `${kind}/${name}`.replace(/\/$/, '')
        : `${kind}/${name} -n ${namespace}`.replace('/ ', ' '),
    title: `${title}${where}`,
    // A summary is about many objects, and a SecretSync has a condition of its own: what is wrong first explains no other step.
    steps: tableOf(observed, kind !== 'cluster' && kind !== 'secretsync'),
    notes,
  })
  switch (kind) {
    case 'cluster':
      return report(
        givenNamespace === undefined ? 'The whole cluster' : `Namespace ${givenNamespace}`,
        ...(await examineCluster(kube, packageRoot, givenNamespace)),
      )
    case 'node':
      return report(`Node ${name}`, await examineNode(kube, name, packageRoot))
    case 'secretsync':
      return report(`SecretSync ${namespace}/${name}`, await examineSecretSync(kube, { namespace, name }))
    case 'pod': {
      const { title, observed, notes } = await examineOnePod(examination, { namespace, name })
      return report(title, observed, notes)
    }
    case 'class': {
      const pods = await podsOfClass(kube, namespace, name)
      if (pods.length === 0)
        return report(`Class ${namespace}/${name}`, await examineClassAlone(kube, { namespace, name }, packageRoot), [
          'No pod mounts the class.',
        ])
      const { title, observed, notes } = await worstOf(examination, pods)
      return report(`Class ${namespace}/${name}, as mounted by ${title}`, observed, notes)
    }
    default: {
      const { title, observed, notes } = await examineWorkload(examination, kind)
      return report(title, observed, notes)
    }
  }
}

interface Examined {
  title: string
  observed: Observed
  notes: readonly string[]
}

async function examineOnePod(
  { kube, azure, packageRoot, probe, signal }: TargetExamination,
  ref: PodRef,
  product?: ProductFacts,
): Promise<Examined> {
  const facts = await gatherPod({ kube, signal, product }, ref)
  if (facts === undefined) throw await noSuchObject(kube, { resource: resources.pods, noun: 'pod', ...ref })
  const observed = await examinePod(facts, { azure, kube, packageRoot })
  const { pod } = facts.cluster
  const title = `Pod ${ref.namespace}/${ref.name} on ${pod.spec.nodeName ?? 'no node'}, service account ${facts.cluster.accountRef.name}`
  if (!probe) return { title, observed, notes: [] }
  const probed = await probePod(kube, facts, { signal, isAzureGiven: azure !== undefined })
  return { title, observed: { ...observed, ...probed.observed }, notes: probed.notes }
}

/** Pods of a workload differ by their node and their age: this many are examined, those that seem worst first. */
const maxPods = 8

async function worstOf(examination: TargetExamination, pods: readonly Pod[]): Promise<Examined> {
  const ranked = pods.toSorted((a, b) => rankOf(a) - rankOf(b)).slice(0, maxPods)
  const product = await gatherProduct(examination.kube)
  const found: { examined: Examined; depth: number }[] = []
  await forEachLimited(ranked.entries(), 3, async ([index, { metadata }]) => {
    const ref = { namespace: metadata.namespace ?? '', name: metadata.name ?? '' }
    // One probe is enough: of the pod that seems worst.
    const one = { ...examination, probe: examination.probe && index === 0 }
    const examined = await attempt(() => examineOnePod(one, ref, product))
    if ('value' in examined) found.push({ examined: examined.value, depth: depthOf(tableOf(examined.value.observed)) })
  })
  const [worst] = found.toSorted((a, b) => a.depth - b.depth)
  if (worst === undefined) {
    const [first] = ranked
    return examineOnePod(examination, { namespace: first?.metadata.namespace ?? '', name: first?.metadata.name ?? '' })
  }
  const { examined } = worst
  const note =
    pods.length > ranked.length
      ? `The worst of ${ranked.length} pods that were examined, of ${pods.length}.`
      : `The worst of ${pods.length} pods.`
  return { ...examined, notes: [...(pods.length > 1 ? [note] : []), ...examined.notes] }
}

/** Pods that wait first, then those that restart. */
function rankOf(pod: Pod): number {
  if (pod.status?.phase === 'Pending' || pod.status?.phase === undefined) return 0
  return isPodReady(pod) ? 2 : 1
}

/** How far along the data path a pod gets without a failure, then without a warning. */
function depthOf(steps: readonly Step[]): number {
  const wrong = steps.find(({ state }) => state === 'fail')
  if (wrong !== undefined) return stepIds.indexOf(wrong.id)
  return stepIds.length + (steps.some(({ state }) => state === 'warn') ? 0 : 1)
}

async function podsOfClass(kube: KubeClient, namespace: string, name: string): Promise<Pod[]> {
  const { items } = await kube.list(resources.pods, { namespace })
  return items.filter(
    ({ spec, status }) =>
      status?.phase !== 'Succeeded' &&
      status?.phase !== 'Failed' &&
      spec.volumes?.some(({ csi }) => csi?.volumeAttributes?.secretProviderClass === name),
  )
}

const workloads = {
  deployment: resources.deployments,
  statefulset: resources.statefulSets,
  daemonset: resources.daemonSets,
} as const

async function examineWorkload(examination: TargetExamination, kind: keyof typeof workloads): Promise<Examined> {
  const { kube, namespace, target } = examination
  const { name } = target
  const resource = workloads[kind]
  const found = await attempt(() => kube.get<UntypedObject>(resource as never, { namespace, name }))
  if ('why' in found) throw await noSuchObject(kube, { resource: resource as never, noun: kind, namespace, name })
  const labelSelector = selectorText(recordOf(found.value.spec)?.selector)
  const { items } = await kube.list(resources.pods, { namespace, labelSelector })
  const pods = items.filter(({ metadata }) => metadata.deletionTimestamp === undefined)
  if (pods.length > 0) return worstOf(examination, pods)
  return {
    title: `${kind} ${namespace}/${name}`,
    observed: { K3: [await noPods(examination, name)] },
    notes: [],
  }
}

/** Why a workload has no pod: the event of what creates them. */
async function noPods({ kube, namespace, packageRoot }: TargetExamination, name: string) {
  const events = await attempt(() => kube.list(resources.events, { namespace, fieldSelector: 'reason=FailedCreate' }))
  const ours =
    'value' in events ? events.value.items.filter(({ involvedObject }) => involvedObject.name?.startsWith(name)) : []
  const message = ours.at(-1)?.message
  if (codesIn(message ?? '').includes('env-not-enabled')) {
    const { installation } = await gatherInstallation(kube)
    const chart = join(packageRoot, 'charts/keymount')
    const on = addEnvFilesCommands(installation, chart, { isInstalled: true, tenantId: '' })
    return fail('env-not-enabled', message ?? '', on)
  }
  const [, account] = /serviceaccount "([^"]+)" not found/.exec(message ?? '') ?? []
  const fix =
    account === undefined
      ? `kubectl get events --namespace ${namespace} --field-selector reason=FailedCreate`
      : `kubectl create serviceaccount ${account} --namespace ${namespace}`
  return fail('pod-not-created', message ?? 'it has no pod', [fix])
}

function selectorText(selector: unknown): string {
  const { matchLabels = {}, matchExpressions = [] } = (recordOf(selector) ?? {}) as {
    matchLabels?: Record<string, string>
    matchExpressions?: { key: string; operator: string; values?: string[] }[]
  }
  const operators: Record<string, (key: string, values: string) => string> = {
    In: (key, values) => `${key} in (${values})`,
    NotIn: (key, values) => `${key} notin (${values})`,
    Exists: (key) => key,
    DoesNotExist: (key) => `!${key}`,
  }
  return [
    ...Object.entries(matchLabels).map(([key, value]) => `${key}=${value}`),
    ...matchExpressions.flatMap(({ key, operator, values = [] }) => operators[operator]?.(key, values.join(',')) ?? []),
  ].join(',')
}
