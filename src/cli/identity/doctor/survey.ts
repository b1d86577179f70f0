import { type KubeClient, type Pod, resources } from '#kubernetes/client'
import type { Terminal } from '#terminal'
import { attempt } from '../../answer.ts'
import { classVolumes } from '../../cluster/class-volumes.ts'
import { identityAnnotations, useLabel } from '../identity-keys.ts'
import { gatherCluster } from './cluster-facts.ts'
import { examineInCluster, pinnedCheck } from './examine-in-cluster.ts'
import type { Finding } from './finding.ts'

/** The pods of a namespace that sign in to Azure, and what is wrong with each as far as the cluster shows. */
export interface Survey {
  namespace: string
  pods: readonly { name: string; problems: readonly Finding[]; notes: readonly Finding[] }[]
  /** Pods whose service account has an identity that nothing in them uses: a label may have been forgotten. */
  unlabelled: readonly string[]
}

export async function survey(kube: KubeClient, namespace: string, packageRoot: string): Promise<Survey> {
  const [pods, accounts] = await Promise.all([
    kube.list(resources.pods, { namespace }),
    attempt(() => kube.list(resources.serviceAccounts, { namespace })),
  ])
  const annotated = new Set(
    ('value' in accounts ? accounts.value.items : [])
      .filter(({ metadata }) => metadata.annotations?.[identityAnnotations.clientId] !== undefined)
      .map(({ metadata }) => metadata.name),
  )
  const examined = await Promise.all(
    pods.items.filter(asksForIdentity).map((pod) => examinePod(kube, pod, namespace, packageRoot)),
  )
  const unlabelled = pods.items.filter((pod) => !asksForIdentity(pod) && annotated.has(pod.spec.serviceAccountName))
  return { namespace, pods: examined.flat(), unlabelled: unlabelled.map(({ metadata }) => metadata.name ?? '') }
}

function asksForIdentity({ metadata, spec }: Pod): boolean {
  return metadata.labels?.[useLabel] !== undefined || classVolumes(spec).length > 0
}

/** Nothing for a pod that has been deleted meanwhile. */
async function examinePod(
  kube: KubeClient,
  { metadata: { name = '' } }: Pod,
  namespace: string,
  packageRoot: string,
): Promise<Survey['pods'][number][]> {
  const facts = await gatherCluster(kube, { namespace, name })
  if (facts === undefined) return []
  const findings = examineInCluster(facts, packageRoot).sections.flatMap((section) => section.findings)
  const problems = findings.filter(({ status }) => status === 'problem')
  // Nothing else in the cluster reports it: the pod runs, with values that never change.
  const notes = findings.filter(({ status, check }) => status === 'note' && check === pinnedCheck)
  return [{ name, problems, notes }]
}

export function printSurvey({ namespace, pods, unlabelled }: Survey, { line, style, width, wrap }: Terminal): void {
  if (pods.length === 0) line(`No pod of namespace ${namespace} asks for an identity of Azure.`)
  else line(`Pods of namespace ${style.strong(namespace)} that sign in to Azure`)
  for (const { name, problems, notes } of pods) {
    line(`  ${problems.length === 0 ? style.good('✓') : style.bad('✗')} ${name}`)
    for (const { check, text } of [...problems, ...notes]) {
      for (const words of wrap(`${check}: ${text}`, width - 6)) line(`      ${words}`)
    }
  }
  for (const name of unlabelled)
    line(`  ${style.dim('·')} ${name}: its service account has an identity, and it does not ask for it`)
  if (pods.length + unlabelled.length === 0) return
  line()
  line(`With Azure, and the commands that fix it: ${style.command(`keymount identity doctor POD -n ${namespace}`)}`)
}
