import { join } from 'node:path'
import { pinnedMounts } from '../../cluster/pinned-mounts.ts'
import {
  type ClassSignIn,
  checkMountedClass,
  isVaultName,
  type MountedClass,
  needsAccountClientId,
  signInOf,
} from './check-class.ts'
import { checkPod, needsWebhook } from './check-pod.ts'
import { checkServiceAccount } from './check-service-account.ts'
import { checkWebhook } from './check-webhook.ts'
import type { ClusterFacts } from './cluster-facts.ts'
import { type Finding, note, type Section } from './finding.ts'
import { addWebhookCommand, installCommand } from './installation.ts'
import { environmentOf, type UsedIdentity, usedIdentities } from './used-identities.ts'

/** What the cluster alone shows of a pod, and which identities are to be examined in Azure. */
export interface ClusterExamination {
  sections: readonly Section[]
  identities: readonly UsedIdentity[]
  /** Vaults of classes that sign in by another way than workload identity. */
  otherVaults: readonly string[]
  /** Of the classes; empty if none names one. */
  tenantId: string
}

/** @param packageRoot of Keymount, for commands that install a part of it. */
export function examineInCluster(facts: ClusterFacts, packageRoot: string): ClusterExamination {
  const { pod, account, accountRef, classes, driver, lastErrors, classNames, installation } = facts
  const annotations = 'value' in account ? (account.value?.metadata.annotations ?? {}) : {}
  const chart = join(packageRoot, 'charts/keymount')
  const signIns = classes.flatMap((mounted) => {
    const signIn = signInOf(mounted, annotations)
    return signIn === undefined ? [] : [{ mounted, signIn }]
  })
  const tenantId = signIns.map(({ signIn }) => signIn.tenantId).find((id) => id !== '') ?? ''
  const context = {
    ...{ annotations, account: accountRef, driver, classNames },
    installCommand: installCommand(installation, chart),
  }
  const webhook = needsWebhook(facts)
    ? [checkWebhook({ ...facts, installCommand: addWebhookCommand(installation, chart, tenantId) })]
    : []
  const needsClientId = needsClientIdOf(facts, signIns)
  const sections = [
    {
      about: 'last error' as const,
      title: 'Last error',
      findings: lastErrors.map((message) => note('reported', message)),
    },
    // The webhook first: a pod that is created again before there is one gets nothing from it.
    { about: 'pod' as const, title: 'Pod', findings: [...webhook, ...checkPod(facts), ...pinnedFindings(facts)] },
    {
      about: 'account' as const,
      title: `Service account ${accountRef.namespace}/${accountRef.name}`,
      findings: checkServiceAccount(accountRef, account, needsClientId),
    },
    ...classes.map((mounted) => ({
      about: 'class' as const,
      title: `Class ${accountRef.namespace}/${mounted.className}`,
      findings: checkMountedClass(mounted, context),
    })),
  ]
  const used = usedIdentities(
    pod,
    needsWebhook(facts) ? annotations : {},
    signIns.map(({ signIn }) => signIn),
  )
  return { sections, tenantId, identities: used, otherVaults: vaultsOfOtherWays(signIns.map(({ signIn }) => signIn)) }
}

function vaultsOfOtherWays(signIns: readonly ClassSignIn[]): string[] {
  const names = signIns
    .filter(({ clientId }) => clientId === undefined)
    .flatMap(({ spec }) =>
      [...spec.objects, ...spec.selects].map(({ vaultName }) => vaultName ?? spec.values.keyvaultName),
    )
  return [...new Set(names)].filter(isVaultName)
}

/** Whether something in the pod has its client id from the service account alone. */
function needsClientIdOf(
  facts: ClusterFacts,
  signIns: readonly { mounted: MountedClass; signIn: ClassSignIn }[],
): boolean {
  if (signIns.some(({ mounted, signIn }) => needsAccountClientId(signIn, mounted))) return true
  return needsWebhook(facts) && environmentOf(facts.pod, 'AZURE_CLIENT_ID') === ''
}

/** Name of the check of mounts whose content does not change while the container runs. */
export const pinnedCheck = 'subPath'

function pinnedFindings({ pod }: ClusterFacts): Finding[] {
  return pinnedMounts(pod).map(({ container, mountPath }) =>
    note(
      pinnedCheck,
      `${mountPath} in container ${container} is mounted by subPath: it keeps its content until the container restarts, whatever is rotated; mount the whole volume`,
    ),
  )
}
