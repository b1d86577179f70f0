import { checkClass } from '#azure/class'
import {
  type KubeClient,
  type KubeEvent,
  type Pod,
  podAnnotations,
  resources,
  type SecretSync,
} from '#kubernetes/client'
import { driverName, productDeployment } from '#lab/home'
import { forEachLimited } from '#lib/async'
import { codesIn } from '#product/error-catalogue'

import { CliError, commandLine, countOf } from '#terminal'
import { type Answer, attempt } from '../answer.ts'
import { findObject } from '../cluster/find-object.ts'
import { classFinding } from '../identity/doctor/check-class.ts'
import { gatherInstallation } from '../identity/doctor/cluster-facts.ts'
import { chartInstallCommand } from '../identity/doctor/installation.ts'
import { controllerOf } from '../identity/workload-owner.ts'
import { lacksVariables } from './env-webhook.ts'
import { judgeCsiDriver } from './judge/judge-csi-driver.ts'
import { judgeDeployments } from './judge/judge-deployments.ts'
import { quietMsOf } from './judge/judge-files.ts'
import { judgeNode } from './judge/judge-node.ts'
import { judgeVolumes } from './judge/judge-volumes.ts'
import { gatherDeployments, gatherNode, gatherProduct } from './product-facts.ts'
import { timeOf } from './reports.ts'
import { fail, fine, notKnown, type Observation, type Observed, observationOf } from './step.ts'

/** This many objects are named for one step; the others are counted. */
const mostNamed = 5

/**
 * A summary of the whole cluster, or of one namespace and what it needs of the cluster, with the doctor's command for each
 * object that is wrong. Rejects with `CliError` if there is no such namespace.
 */
export async function examineCluster(
  kube: KubeClient,
  packageRoot: string,
  namespace: string | undefined,
): Promise<[Observed, string[]]> {
  if (namespace !== undefined) await requireNamespace(kube, namespace)
  const list = <T>(ask: () => Promise<{ items: T[] }>) => attempt(async () => (await ask()).items)
  const [{ driver, installation }, product, nodes, pods, events, classes, statuses, syncs, withoutVariables] =
    await Promise.all([
      gatherInstallation(kube),
      gatherProduct(kube),
      list(() => kube.list(resources.nodes)),
      list(() => kube.list(resources.pods, { namespace, fieldSelector: 'status.phase=Pending' })),
      list(() => kube.list(resources.events, { namespace, fieldSelector: 'reason=FailedMount' })),
      list(() => kube.list(resources.secretProviderClasses, { namespace })),
      list(() => kube.list(resources.secretProviderClassPodStatuses, { namespace })),
      list(() => kube.list(resources.secretSyncs, { namespace })),
      attempt(() => podsWithoutVariables(kube, namespace)),
    ])
  const deployments = await gatherDeployments(kube, product)
  const installCommand = chartInstallCommand(installation, packageRoot)
  const facts =
    'why' in nodes
      ? nodes
      : { value: await Promise.all(nodes.value.map(({ metadata }) => gatherNode(kube, metadata.name ?? '', product))) }
  const times = { nowMs: Date.now() + (kube.clockOffsetMs() ?? 0), quietMs: quietMsOf(driver) }
  const observed: Observed = {
    K1: judgeCsiDriver(driver, installCommand),
    K2: [
      ...observe(deployments, (all) => judgeDeployments(all.map(productDeployment))),
      ...observe(facts, (all) => {
        const wrong = all.flatMap((one) => judgeNode(one, installCommand).filter(({ state }) => state === 'fail'))
        return [
          ...wrong.slice(0, mostNamed),
          fine(`driver and provider run on ${all.length - wrong.length} of ${all.length} nodes`),
        ]
      }),
    ],
    K3: observe(pods, (all) => judgePending(all, 'value' in events ? events.value : [])),
    K4: observe(classes, (all) => {
      const wrong = all.flatMap((object) =>
        checkClass(object)
          .filter(({ fails }) => fails !== undefined)
          .slice(0, 1)
          .map((finding) => {
            const { code = 'parameters-invalid', text, fix } = observationOf(classFinding(finding, object))
            return fail(code, `${object.metadata.namespace}/${object.metadata.name}: ${text}`, fix)
          }),
      )
      return [...some(wrong), fine(`${countOf(all.length, 'class', 'classes')}, read as the provider reads them`)]
    }),
    I2: observe(withoutVariables, judgeEnvPods),
    D1: observe(statuses, (all) => judgeVolumes(all, times)),
    ...('why' in syncs ? {} : { S1: judgeSyncs(syncs.value) }),
  }
  const where = namespace ?? 'NAMESPACE'
  return [observed, [`One pod, class, node or workload in detail: keymount doctor pod/NAME -n ${where}.`]]
}

/** Pods of one controller are alike: the oldest of each may be older than the webhook. At most this many are read. */
const maxEnvPods = 100

/** Pods that ask for environment variables and run without them. The metadata of all pods has their annotations. */
async function podsWithoutVariables(kube: KubeClient, namespace: string | undefined): Promise<Pod[]> {
  const { items } = await kube.list(resources.pods, { namespace, metadataOnly: true })
  const asking = items.filter(({ metadata }) => metadata.annotations?.[podAnnotations.env] !== undefined)
  const byController = Map.groupBy(asking, ({ metadata }) => controllerOf({ metadata })?.uid ?? metadata.uid)
  const oldest = [...byController.values()].flatMap(
    (pods) => pods.toSorted((a, b) => createdAt(a).localeCompare(createdAt(b)))[0] ?? [],
  )
  const found: Pod[] = []
  await forEachLimited(oldest.slice(0, maxEnvPods), 8, async ({ metadata: { name, namespace: where } }) => {
    const pod = await findObject(kube, resources.pods, { name: name ?? '', namespace: where })
    if (pod !== undefined && runs(pod) && lacksVariables(pod)) found.push(pod)
  })
  return found
}

function runs({ metadata, status }: Pod): boolean {
  return metadata.deletionTimestamp === undefined && status?.phase !== 'Succeeded' && status?.phase !== 'Failed'
}

function createdAt({ metadata }: Pick<Pod, 'metadata'>): string {
  return metadata.creationTimestamp ?? ''
}

function judgeEnvPods(pods: readonly Pod[]): Observation[] {
  const wrong = pods.map(({ metadata: { namespace = '', name = '' } }) =>
    fail('env-not-added', `${namespace}/${name} has ${podAnnotations.env} and got no variables`, [
      commandLine('keymount', 'doctor', `pod/${name}`, '-n', namespace),
    ]),
  )
  return [...some(wrong), fine('every pod with its annotations has what it adds')]
}

async function requireNamespace(kube: KubeClient, name: string): Promise<void> {
  const found = await attempt(() => findObject(kube, resources.namespaces, { name }))
  if ('why' in found || found.value !== undefined) return
  throw new CliError({ what: `There is no namespace "${name}"`, fix: ['see all of them: kubectl get namespaces'] })
}

function observe<T>(answer: Answer<T>, judge: (value: T) => Observation[]): Observation[] {
  return 'why' in answer ? [notKnown(answer.why)] : judge(answer.value)
}

function some(wrong: readonly Observation[]): Observation[] {
  const [first] = wrong
  if (first === undefined || wrong.length <= mostNamed) return [...wrong]
  return [...wrong.slice(0, mostNamed), { state: first.state, text: `and ${wrong.length - mostNamed} more` }]
}

/** Pods that wait for a volume of ours, each with kubelet's last report. */
function judgePending(pods: readonly Pod[], events: readonly KubeEvent[]): Observation[] {
  const waiting = pods.filter(({ spec }) => spec.volumes?.some(({ csi }) => csi?.driver === driverName))
  const wrong = waiting.flatMap(({ metadata }) => {
    const own = events.filter(({ involvedObject }) => involvedObject.uid === metadata.uid)
    const message = own.toSorted((a, b) => timeOf(a).localeCompare(timeOf(b))).at(-1)?.message
    if (message === undefined) return []
    const [code = 'pod-waits'] = codesIn(message)
    const { namespace = '', name = '' } = metadata
    return [
      fail(code, `${namespace}/${name} waits for its volume`, [
        commandLine('keymount', 'doctor', `pod/${name}`, '-n', namespace),
      ]),
    ]
  })
  return [
    ...some(wrong),
    fine(
      waiting.length === wrong.length
        ? wrong.length === 0
          ? 'every pod with a class has started'
          : 'every other pod with a class has started'
        : `${countOf(waiting.length - wrong.length, 'pod')} with a class not started yet, without an error`,
    ),
  ]
}

function judgeSyncs(syncs: readonly SecretSync[]): Observation[] {
  const wrong = syncs.flatMap(({ metadata, status }) => {
    const ready = status?.conditions?.find(({ type }) => type === 'Ready')
    if (ready?.status !== 'False') return []
    const [code = 'secret-sync-not-ready'] = codesIn(ready.message ?? '')
    const { namespace = '', name = '' } = metadata
    return [
      fail(code, `SecretSync ${namespace}/${name} is not Ready: ${ready.message}`, [
        commandLine('keymount', 'doctor', `secretsync/${name}`, '-n', namespace),
      ]),
    ]
  })
  return [...some(wrong), fine(countOf(syncs.length, 'SecretSync'))]
}
