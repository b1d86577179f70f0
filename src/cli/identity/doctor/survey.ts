import { type KubeClient, type Pod, resources } from '#kubernetes/client'
import { wrapText } from '#lib/formats'
import type { Terminal } from '#terminal'
import { attempt } from '../../answer.ts'
import { identityAnnotations, useLabel } from '../identity-keys.ts'
import { driverName } from './check-class.ts'
import { gatherCluster } from './cluster-facts.ts'
import { examineInCluster } from './examine-in-cluster.ts'
import type { Finding } from './finding.ts'

/** The pods of a namespace that sign in to Azure, or should, and what is wrong with each as far as the cluster shows. */
export interface Survey {
  namespace: string
  pods: readonly { name: string; problems: readonly Finding[] }[]
}

export async function survey(kube: KubeClient, namespace: string): Promise<Survey> {
  const [pods, accounts] = await Promise.all([
    kube.list(resources.pods, { namespace }),
    attempt(() => kube.list(resources.serviceAccounts, { namespace })),
  ])
  const annotated = new Set(
    ('value' in accounts ? accounts.value.items : [])
      .filter(({ metadata }) => metadata.annotations?.[identityAnnotations.clientId] !== undefined)
      .map(({ metadata }) => metadata.name),
  )
  const concerned = pods.items.filter((pod) => asksForIdentity(pod) || annotated.has(pod.spec.serviceAccountName))
  const examined = await Promise.all(concerned.map(({ metadata }) => examinePod(kube, namespace, metadata.name ?? '')))
  return { namespace, pods: examined.flat() }
}

function asksForIdentity({ metadata, spec }: Pod): boolean {
  return metadata.labels?.[useLabel] !== undefined || (spec.volumes ?? []).some(({ csi }) => csi?.driver === driverName)
}

/** Nothing for a pod that has gone meanwhile. */
async function examinePod(kube: KubeClient, namespace: string, name: string): Promise<Survey['pods'][number][]> {
  const facts = await gatherCluster(kube, { namespace, name })
  if (facts === undefined) return []
  const findings = examineInCluster(facts).sections.flatMap((section) => section.findings)
  return [{ name, problems: findings.filter(({ status }) => status === 'problem') }]
}

export function printSurvey(
  { namespace, pods }: Survey,
  { line, style }: Pick<Terminal, 'line' | 'style'>,
  programName: string,
): void {
  if (pods.length === 0) {
    line(`No pod of namespace ${namespace} asks for an identity of Azure.`)
    return
  }
  line(`Pods of namespace ${style.strong(namespace)} that sign in to Azure, or should`)
  for (const { name, problems } of pods) {
    line(`  ${problems.length === 0 ? style.good('✓') : style.bad('✗')} ${name}`)
    for (const { check, text } of problems) {
      const [first = '', ...rest] = wrapText(text)
      line(`      ${check}: ${first}`)
      for (const more of rest) line(`      ${more}`)
    }
  }
  line()
  line(
    `With Azure, and the commands that mend it: ${style.command(`${programName} identity doctor POD -n ${namespace}`)}`,
  )
}
