import { type ClassSignIn, checkMountedClass, signInOf } from './check-class.ts'
import { checkPod, checkServiceAccount, wantsWebhook } from './check-pod.ts'
import { checkWebhook } from './check-webhook.ts'
import type { ClusterFacts } from './cluster-facts.ts'
import type { Section } from './finding.ts'
import { type WantedIdentity, wantedIdentities } from './wanted-identities.ts'

/** What the cluster alone shows of a pod, and which identities Azure has to be asked about. */
export interface ClusterExamination {
  sections: readonly Section[]
  wanted: readonly WantedIdentity[]
}

export function examineInCluster(facts: ClusterFacts): ClusterExamination {
  const { pod, account, accountRef, classes, driver, lastError } = facts
  const { namespace } = accountRef
  const annotations = 'value' in account ? (account.value?.metadata.annotations ?? {}) : {}
  const signIns = classes.flatMap((mounted) => signInOf(mounted, annotations) ?? [])
  const byClass = signsInByClass(facts, signIns)
  const podFacts = { ...facts, signsInByClass: byClass }
  const webhook = wantsWebhook(podFacts) ? [checkWebhook(facts)] : []
  const sections = [
    { title: 'Pod', findings: [...checkPod(podFacts), ...webhook, ...lastError] },
    {
      title: `Service account ${namespace}/${accountRef.name}`,
      findings: checkServiceAccount(accountRef, account, byClass),
    },
    ...classes.map((mounted) => ({
      title: `Class ${namespace}/${mounted.name}`,
      findings: checkMountedClass(mounted, { annotations, driver }),
    })),
  ]
  return { sections, wanted: wantedIdentities(pod, annotations, signIns) }
}

/** Undefined when none is known to, and some class could not be read. */
function signsInByClass({ classes }: ClusterFacts, signIns: readonly ClassSignIn[]): boolean | undefined {
  if (signIns.some(({ clientId }) => clientId !== undefined)) return true
  return classes.some((mounted) => 'why' in mounted.class) ? undefined : false
}
