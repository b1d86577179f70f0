import { checkClass } from '#azure/class'
import {
  isPodReady,
  type KubeClient,
  type KubeObject,
  type Pod,
  resources,
  type SecretSync,
  type UntypedObject,
} from '#kubernetes/client'
import { productDeployment } from '#lab/home'
import { codesIn } from '#product/error-catalogue'

import { commandLine } from '#terminal'
import { type Answer, attempt } from '../answer.ts'
import { findObject } from '../cluster/find-object.ts'
import { noSuchObject } from '../cluster/no-such-object.ts'
import { classFinding } from '../identity/doctor/check-class.ts'
import { gatherInstallation } from '../identity/doctor/cluster-facts.ts'
import { chartInstallCommand, type Installation } from '../identity/doctor/installation.ts'
import { judgeCsiDriver } from './judge/judge-csi-driver.ts'
import { judgeDeployments } from './judge/judge-deployments.ts'
import { quietMsOf } from './judge/judge-files.ts'
import { judgeNode } from './judge/judge-node.ts'
import { judgeVolumes } from './judge/judge-volumes.ts'
import type { PodRef } from './pod-facts.ts'
import { gatherDeployments, gatherNode, gatherProduct } from './product-facts.ts'
import { fail, fine, notKnown, type Observation, type Observed, observationOf, type StepId } from './step.ts'
import { stepOfCode } from './step-of-code.ts'

/** K1 and K4 of a class that no pod mounts. */
export async function examineClassAlone(kube: KubeClient, ref: PodRef, packageRoot: string): Promise<Observed> {
  const [object, { driver, installation }] = await Promise.all([
    findObject(kube, resources.secretProviderClasses, ref),
    gatherInstallation(kube),
  ])
  if (object === undefined) {
    throw await noSuchObject(kube, { resource: resources.secretProviderClasses, noun: 'SecretProviderClass', ...ref })
  }
  const found = checkClass(object).map((finding) => observationOf(classFinding(finding, object)))
  return {
    K1: judgeCsiDriver(driver, chartInstallCommand(installation, packageRoot)),
    K4: [...found, fine('read as the provider reads it')],
  }
}

/** K1 and K2 of one node, and the volumes on it. */
export async function examineNode(kube: KubeClient, name: string, packageRoot: string): Promise<Observed> {
  const labelSelector = `internal.secrets-store.csi.k8s.io/node-name=${name.slice(0, 63)}`
  const [{ driver, installation }, facts, statuses] = await Promise.all([
    gatherInstallation(kube),
    gatherNode(kube, name),
    attempt(async () => (await kube.list(resources.secretProviderClassPodStatuses, { labelSelector })).items),
  ])
  if ('value' in facts.node && facts.node.value === undefined) {
    throw await noSuchObject(kube, { resource: resources.nodes, noun: 'node', namespace: '', name })
  }
  const installCommand = chartInstallCommand(installation, packageRoot)
  const times = { nowMs: Date.now() + (kube.clockOffsetMs() ?? 0), quietMs: quietMsOf(driver) }
  return {
    K1: judgeCsiDriver(driver, installCommand),
    K2: judgeNode(facts, installCommand),
    D1: 'why' in statuses ? [notKnown(statuses.why)] : judgeVolumes(statuses.value, times),
  }
}

/** The path of a Secret without a pod: controller, class, service account, and the condition that the controller has written. */
export async function examineSecretSync(kube: KubeClient, ref: PodRef): Promise<Observed> {
  const sync = await findObject(kube, resources.secretSyncs, ref)
  if (sync === undefined)
    throw await noSuchObject(kube, { resource: resources.secretSyncs, noun: 'SecretSync', ...ref })
  const { namespace } = ref
  const { secretProviderClassName: className, serviceAccountName } = sync.spec
  const [controller, object, account] = await Promise.all([
    gatherController(kube),
    attempt(() => findObject(kube, resources.secretProviderClasses, { namespace, name: className })),
    attempt(() => findObject(kube, resources.serviceAccounts, { namespace, name: serviceAccountName })),
  ])
  const observed: Observed = {
    K2: judgeController(controller),
    K4:
      'why' in object
        ? [notKnown(object.why)]
        : object.value === undefined
          ? [
              fail('class-not-found', `there is no SecretProviderClass "${className}" in namespace ${namespace}`, [
                'kubectl get secretproviderclass --all-namespaces',
              ]),
            ]
          : judgeClass(object.value),
    I1: [judgeAccount(account, { namespace, name: serviceAccountName })],
  }
  return withCondition(observed, sync)
}

/** Names and labels are upstream's. */
const controllerName = 'secrets-store-sync-controller-manager'
const controllerLabel = 'control-plane=controller-manager,secrets-store.io/system=true'

interface Controller {
  pods: Answer<readonly Pod[]>
  deployments: Answer<readonly UntypedObject[]>
  installation: Installation
}

async function gatherController(kube: KubeClient): Promise<Controller> {
  const [pods, product, { installation }] = await Promise.all([
    attempt(async () => (await kube.list(resources.pods, { labelSelector: controllerLabel })).items),
    gatherProduct(kube),
    gatherInstallation(kube),
  ])
  return { pods, deployments: await gatherDeployments(kube, product), installation }
}

function judgeController({ pods, deployments, installation }: Controller): Observation[] {
  if ('why' in pods) return [notKnown(pods.why)]
  if (pods.value.some(isPodReady)) return [fine('the sync controller runs')]
  const all = 'value' in deployments ? deployments.value : []
  const found = all.find(({ metadata }) => metadata.name === controllerName)
  if (found !== undefined) return judgeDeployments([{ ...productDeployment(found), ready: 0 }])
  const isLab = installation.kind === 'managed' && installation.isLab
  const values = '--reset-then-reuse-values --set sync.enabled=true'
  return [
    fail('provider-missing', 'the sync controller is not installed', [
      isLab ? 'keymount up --sync' : `helm upgrade keymount charts/keymount --namespace kube-system ${values}`,
    ]),
  ]
}

function judgeClass(object: Parameters<typeof classFinding>[1]): Observation[] {
  const found = checkClass(object).map((finding) => observationOf(classFinding(finding, object)))
  return [...found, fine('read as the provider reads it')]
}

function judgeAccount(account: { value: KubeObject | undefined } | { why: string }, ref: PodRef): Observation {
  if ('why' in account) return notKnown(account.why)
  if (account.value !== undefined) return fine(`${ref.name} exists`)
  return fail('service-account-missing', `service account ${ref.namespace}/${ref.name} does not exist`, [
    commandLine('kubectl', 'create', 'serviceaccount', ref.name, '--namespace', ref.namespace),
  ])
}

/** The condition Ready, at the step of its code where its message has one. */
function withCondition(observed: Observed, { metadata, status }: SecretSync): Observed {
  const ready = status?.conditions?.find(({ type }) => type === 'Ready')
  const { message = '' } = ready ?? {}
  if (ready === undefined) return { ...observed, S1: [notKnown('the controller has not looked at it yet')] }
  if (ready.status === 'True') return { ...observed, S1: [fine(message)] }
  const [code = 'secret-sync-not-ready'] = codesIn(message)
  const step: StepId = stepOfCode[code]
  const { namespace = '', name = '' } = metadata
  const fix = [
    `keymount explain ${code}`,
    commandLine('kubectl', 'describe', 'secretsync', name, '--namespace', namespace),
  ]
  const observation = fail(code, `${ready.reason}: ${message}`, fix)
  return { ...observed, [step]: [...(observed[step] ?? []), observation] }
}
