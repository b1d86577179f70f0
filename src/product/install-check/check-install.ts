import type { CheckResult } from '#daemon'
import {
  isNotFound,
  isPodReady,
  type KubeClient,
  type KubeObject,
  lastLogLine,
  type Pod,
  resources,
} from '#kubernetes/client'
import { type Clock, errorMessage, sleep, systemClock } from '#lib'
import { listOf, stringOf, valueAt } from '#lib/formats'
import type { InstallCheckConfig } from './config.ts'

interface Check extends Omit<InstallCheckConfig, 'kubeconfig' | 'waitMs'> {
  kube: KubeClient
}

/** Time between two checks. */
const everyMs = 2000

/** Waits until a release works, for `waitMs` at most. Never rejects: what cannot be read is a problem. */
export async function checkInstall(
  kube: KubeClient,
  { waitMs, ...config }: Omit<InstallCheckConfig, 'kubeconfig'>,
  { clock = systemClock }: { clock?: Clock | undefined } = {},
): Promise<CheckResult> {
  const end = clock.elapsed() + waitMs
  for (;;) {
    const { works, problems } = await findingsOf({ kube, ...config })
    const isOver = clock.elapsed() + everyMs > end
    if (problems.length === 0) return { status: 0, text: report(works, problems, []) }
    if (isOver) return { status: 1, text: report(works, problems, await reasonsOf({ kube, ...config })) }
    await sleep(everyMs, { clock })
  }
}

/** One line for each check, one for each pod that is not ready, and one for all of them. */
function report(works: readonly string[], problems: readonly string[], reasons: readonly string[]): string {
  const count = works.length + problems.length
  const lines = [
    ...works.map((text) => `ok     ${text}`),
    ...problems.map((text) => `FAILED ${text}`),
    ...reasons.map((text) => `       ${text}`),
    problems.length === 0 ? 'Keymount works.' : `Keymount does not work: ${problems.length} of ${count} checks failed.`,
  ]
  return `${lines.join('\n')}\n`
}

/** Pods of which the reason is shown. */
const maxReasons = 5

/** Why pods are not ready: what kubelet waits for, and the last line that the container has written. One line for each pod. */
async function reasonsOf({ kube, namespace, selector }: Check): Promise<string[]> {
  try {
    const { items } = await kube.list(resources.pods, { namespace, labelSelector: selector })
    const failing = items.filter(isFailing)
    const shown = await Promise.all(failing.slice(0, maxReasons).map((pod) => reasonOf(kube, pod)))
    return failing.length > maxReasons
      ? [...shown, `and ${failing.length - maxReasons} more pods that are not ready`]
      : shown
  } catch (error) {
    return [`why pods are not ready could not be read: ${errorMessage(error)}`]
  }
}

/** Of a workload: the pod of this check is not ready either. */
function isFailing(pod: Pod): boolean {
  const { metadata, status } = pod
  const isOfWorkload = metadata.labels?.['app.kubernetes.io/component'] !== 'install-check'
  return isOfWorkload && status?.phase !== 'Succeeded' && !isPodReady(pod)
}

async function reasonOf(kube: KubeClient, { metadata: { namespace = '', name = '' }, status }: Pod): Promise<string> {
  const container = [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])].find(
    ({ ready }) => !ready,
  )
  const unscheduled = status?.conditions?.find((one) => one.type === 'PodScheduled' && one.status === 'False')
  const { waiting, terminated } = container?.state ?? {}
  const state = waiting ?? terminated ?? unscheduled
  const reason = [state?.reason, state?.message].filter(Boolean).join(': ')
  // A container that has not started has no log.
  const line =
    container === undefined
      ? ''
      : await lastLogLine(kube, { namespace, pod: name, container: container.name }).catch(() => '')
  const details = [reason, line === '' ? '' : `its log ends with: ${line}`].filter(Boolean).join('; ')
  return `pod ${name} is not ready${details === '' ? '' : `: ${details}`}`
}

interface Findings {
  works: string[]
  problems: string[]
}

async function findingsOf(check: Check): Promise<Findings> {
  const findings: Findings = { works: [], problems: [] }
  try {
    await checkWorkloads(check, findings)
    if (check.driver !== '') await checkDriver(check, findings)
    if (check.webhookConfiguration !== '') await checkWebhook(check, findings)
  } catch (error) {
    findings.problems.push(errorMessage(error))
  }
  return findings
}

/** DaemonSets and Deployments: every pod is of the current template and ready. */
async function checkWorkloads({ kube, namespace, selector }: Check, findings: Findings): Promise<void> {
  const options = { namespace, labelSelector: selector }
  const sets = (await kube.list(resources.daemonSets, options)).items
  const deployments = (await kube.list(resources.deployments, options)).items
  for (const set of sets) {
    const counts = { wanted: 'desiredNumberScheduled', updated: 'updatedNumberScheduled', ready: 'numberReady' }
    countPods(set, 'DaemonSet', counts, findings)
  }
  for (const deployment of deployments) {
    const counts = { wanted: undefined, updated: 'updatedReplicas', ready: 'readyReplicas' }
    countPods(deployment, 'Deployment', counts, findings)
  }
  if (sets.length + deployments.length === 0) {
    findings.problems.push(`no DaemonSet or Deployment in ${namespace} has the labels ${selector}`)
  }
}

function countPods(
  object: KubeObject,
  kind: string,
  counts: { wanted: string | undefined; updated: string; ready: string },
  { works, problems }: Findings,
): void {
  const read = (...path: string[]) => Number(valueAt(object, ...path) ?? 0)
  const wanted = counts.wanted === undefined ? read('spec', 'replicas') : read('status', counts.wanted)
  const [updated, ready] = [read('status', counts.updated), read('status', counts.ready)]
  const isObserved = read('status', 'observedGeneration') >= Number(object.metadata.generation ?? 0)
  const text = `${kind} ${object.metadata.name}: ${ready} of ${wanted} pods are ready`
  if (!isObserved || updated < wanted) problems.push(`${text}, ${updated} are up to date`)
  else if (ready < wanted) problems.push(text)
  else works.push(text)
}

/** kubelet has registered the driver on every node that has one of its pods. */
async function checkDriver({ kube, namespace, selector, driver }: Check, findings: Findings): Promise<void> {
  const { items } = await kube.list(resources.pods, { namespace, labelSelector: selector })
  const wanted = new Set(items.filter(isDriver).map(({ spec }) => spec.nodeName ?? ''))
  const nodes = (await kube.list(resources.csiNodes)).items
  const has = (node: KubeObject) =>
    (listOf(valueAt(node, 'spec', 'drivers')) ?? []).some((one) => stringOf(valueAt(one, 'name')) === driver)
  const registered = new Set(nodes.filter(has).map(({ metadata }) => metadata.name ?? ''))
  const missing = [...wanted].filter((node) => !registered.has(node)).toSorted()
  const text = `CSI driver ${driver}: registered on ${wanted.size - missing.length} of ${wanted.size} nodes`
  const named =
    missing.length > 5 ? `${missing.slice(0, 5).join(', ')} and ${missing.length - 5} more` : missing.join(', ')
  if (missing.length === 0) findings.works.push(text)
  else findings.problems.push(`${text}; not on ${named}`)
}

/** Of the driver's DaemonSet, or of the one process of `combined`; other workloads have a component of their own. */
function isDriver({ metadata }: Pod): boolean {
  return /^(driver|node)$/.test(metadata.labels?.['app.kubernetes.io/component'] ?? '')
}

/** The API server trusts the webhook, and calls it. */
async function checkWebhook({ kube, webhookConfiguration: name }: Check, findings: Findings): Promise<void> {
  const configuration = await kube.get(resources.mutatingWebhookConfigurations, { name }).catch((error: unknown) => {
    if (isNotFound(error)) return undefined
    throw error
  })
  const webhooks = listOf(configuration?.webhooks) ?? []
  const isCalled = (webhook: unknown) =>
    (stringOf(valueAt(webhook, 'clientConfig', 'caBundle')) ?? '') !== '' &&
    (listOf(valueAt(webhook, 'rules')) ?? []).length > 0
  if (webhooks.length > 0 && webhooks.every(isCalled)) findings.works.push(`webhook ${name}: the API server calls it`)
  else
    findings.problems.push(`webhook ${name}: the API server does not call it, because it has no rules or no caBundle`)
}
