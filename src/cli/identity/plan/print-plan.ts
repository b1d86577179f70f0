import { countOf, type Terminal } from '#terminal'
import { needs } from '../doctor/check-vault.ts'
import type { Grant, IdentityPlan, ManifestChange } from './identity-plan.ts'

/** Whether Azure and the manifests have all of it. Without knowledge of Azure there is always something to do. */
export function isDone({ parts, bindings, roleClusters, permissions, changes }: IdentityPlan): boolean {
  const needed = [...parts.flatMap(({ credentials, grants }) => [...credentials, ...grants]), ...bindings]
  const isNew = parts.some(({ newName }) => newName !== undefined)
  return (
    !isNew && needed.every(({ there }) => there === true) && [...roleClusters, ...permissions, ...changes].length === 0
  )
}

export function printPlan(plans: readonly IdentityPlan[], { line, style }: Terminal): void {
  if (plans.length > 0) line(summaryOf(plans))
  for (const plan of plans) {
    const { clientId, subjects, way, why, parts, bindings, clusterRole, roleClusters, permissions, changes } = plan
    const clusters = new Set(subjects.map(({ cluster }) => cluster)).size
    line(
      `${style.strong(clientId)}  ${countOf(subjects.length, 'subject')} in ${countOf(clusters, 'cluster')}: ${words[way]} (${why})`,
    )
    const row = (there: boolean | undefined, text: string) =>
      line(`  ${there === true ? style.good('✓') : style.strong('+')} ${text}`)
    for (const { newName, credentials, grants } of parts) {
      if (newName !== undefined) row(false, `identity ${newName}`)
      for (const { name, cluster, subject, there } of credentials)
        row(there, `credential ${name}  ${cluster}  ${subject}`)
      for (const grant of grants) row(grant.there, grantText(grant))
    }
    for (const { name, cluster, there } of bindings) row(there, `identity binding ${name}  ${cluster}`)
    for (const cluster of roleClusters) row(false, `ClusterRole ${clusterRole}  ${cluster}`)
    for (const { cluster, namespace, account } of permissions)
      row(false, `ClusterRoleBinding for ${namespace}/${account}  ${cluster}`)
    for (const change of changes) row(false, changeText(change))
  }
}

/** What the plan has, all of it counted: what is there too. */
function summaryOf(plans: readonly IdentityPlan[]): string {
  const parts = plans.flatMap((plan) => plan.parts)
  const sum = (count: (plan: IdentityPlan) => number) => plans.reduce((total, plan) => total + count(plan), 0)
  const counts = [
    [parts.flatMap(({ credentials }) => credentials).length, 'federated credential'],
    [parts.flatMap(({ grants }) => grants).length, 'role assignment'],
    [sum(({ bindings }) => bindings.length), 'identity binding'],
    [
      sum(({ permissions, roleClusters }) => permissions.length + roleClusters.length),
      'ClusterRole or binding',
      'ClusterRoles and bindings',
    ],
    [sum(({ changes }) => changes.length), 'change of a manifest', 'changes of manifests'],
  ] satisfies [number, string, string?][]
  const shown = counts.flatMap(([count, what, several]) => (count === 0 ? [] : [countOf(count, what, several)]))
  const subjects = countOf(
    sum((plan) => plan.subjects.length),
    'subject',
  )
  return `${countOf(parts.length, 'identity', 'identities')} for ${subjects}: ${shown.join(', ') || 'nothing'}`
}

const words: Readonly<Record<IdentityPlan['way'], string>> = {
  credentials: 'one federated credential each',
  bindings: 'identity bindings',
  split: 'split into several identities',
}

function grantText({ vault, type, object }: Grant): string {
  const where = object === '' ? vault : `${vault}/${needs[type].policy}/${object}`
  return `role "${needs[type].role}" on ${where}`
}

function changeText(change: ManifestChange): string {
  const { cluster, namespace, name } = change
  const object = `${namespace}/${name}`
  switch (change.kind) {
    case 'account-client':
      return `account ${object}: client of identity ${change.part + 1}  ${cluster}`
    case 'class-client':
      return `class ${object}: clientID of identity ${change.part + 1}  ${cluster}`
    case 'class-without-client':
      return `class ${object}: without clientID, so that each account names its own  ${cluster}`
    case 'class-through-proxy':
      return `class ${object}: useAzureTokenProxy: "true"  ${cluster}`
    case 'workload-through-proxy':
      return `${change.workload.kind} ${object}: annotation use-identity-binding  ${cluster}`
    default:
      throw new Error(`unknown change ${JSON.stringify(change satisfies never)}`)
  }
}
