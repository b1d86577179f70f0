import { statusAnnotations } from '#kubernetes/client'
import type { AzureSession } from '../identity/azure-session.ts'
import { type Examination, examineInAzure } from '../identity/doctor/examine-in-azure.ts'
import { type ClusterExamination, examineInCluster } from '../identity/doctor/examine-in-cluster.ts'
import { chartInstallCommand } from '../identity/doctor/installation.ts'
import { gatherObjects } from './azure-facts.ts'
import { withExactFixes } from './exact-fixes.ts'
import { fixOfReport } from './fix-of-report.ts'
import { hasChangedSince } from './has-changed-since.ts'
import { judgeCsiDriver } from './judge/judge-csi-driver.ts'
import { judgeEnvAdded } from './judge/judge-env-added.ts'
import { judgeEvents } from './judge/judge-events.ts'
import { judgeFiles } from './judge/judge-files.ts'
import { judgeIdentity } from './judge/judge-identity.ts'
import { judgeNode } from './judge/judge-node.ts'
import { judgeObjects } from './judge/judge-objects.ts'
import { judgePod } from './judge/judge-pod.ts'
import { judgeRestart } from './judge/judge-restart.ts'
import { judgeSecrets } from './judge/judge-secrets.ts'
import type { PodFacts } from './pod-facts.ts'
import type { Report } from './reports.ts'
import { fine, hasFailed, notKnown, type Observation, type Observed, type StepId } from './step.ts'
import { wantedObjects } from './wanted-objects.ts'

/** What an examination of Azure works with; undefined without `--azure`. */
export type AzureAccess = Omit<Examination, 'kube'> | undefined

/** All steps of one pod. */
export async function examinePod(
  facts: PodFacts,
  { azure, kube, packageRoot }: { azure: AzureAccess; kube: Examination['kube']; packageRoot: string },
): Promise<Observed> {
  const { cluster } = facts
  const inCluster = examineInCluster(cluster, packageRoot)
  const sections = azure === undefined ? [] : await examineInAzure({ ...azure, kube }, cluster, inCluster)
  const installCommand = chartInstallCommand(cluster.installation, packageRoot)
  const direct: Observed = {
    K1: judgeCsiDriver(cluster.driver, installCommand),
    K2: facts.node === undefined ? [notKnown('the pod has no node yet')] : judgeNode(facts.node, installCommand),
    K3: judgePod(facts),
    ...withDefaults(
      withEnv(judgeIdentity([...inCluster.sections, ...sections], cluster.classes.length === 0), facts, {
        packageRoot,
        tenantId: inCluster.tenantId,
      }),
      facts,
      inCluster,
    ),
    ...(azure === undefined ? {} : { V2: await examineObjects(azure.azure, facts) }),
    D1: judgeFiles(facts),
    S1: judgeSecrets(facts),
    R1: judgeRestart(facts.restart),
    E1: judgeEvents(facts),
  }
  const steps = azure === undefined ? azureSteps : azureSteps.filter((id) => direct[id] === undefined)
  const unproven = azure === undefined ? 'not looked at: add --azure' : unansweredOf(direct)
  const withEvidence = { ...direct, ...evidence(steps, facts, inCluster, unproven) }
  const ofAzure = azure === undefined ? [] : azureSteps.filter((id) => direct[id] !== undefined)
  const lookedAt = new Set<StepId>(['S1', ...ofAzure])
  const reported = withReports(withEvidence, facts, { lookedAt, isAzureGiven: azure !== undefined })
  return azure === undefined ? reported : withExactFixes(reported, facts, { azure: azure.azure, kube })
}

/** Steps about which only Azure, or the driver, knows. */
const azureSteps = ['I4', 'I5', 'I6', 'I7', 'I8', 'I9', 'V1', 'V2'] as const satisfies readonly StepId[]

function withEnv(observed: Observed, facts: PodFacts, options: { packageRoot: string; tenantId: string }): Observed {
  const found = judgeEnvAdded(facts, options)
  return found.length === 0 ? observed : { ...observed, I2: [...found, ...(observed.I2 ?? [])] }
}

/** Why a step that Azure was asked about has no finding: mostly, the vault did not answer. */
function unansweredOf({ V1: vault = [], V2: objects = [] }: Observed): string {
  const failed = objects.find(({ state }) => state === 'unknown')
  if (failed !== undefined) return failed.text
  const isMissing = vault.some(({ code }) => code === 'vault-missing')
  return isMissing ? 'not checked: the vault does not exist' : 'not checked: Azure did not answer about it'
}

/** Steps that have no finding, because there is nothing wrong. */
function withDefaults(observed: Observed, { cluster }: PodFacts, { identities }: ClusterExamination): Observed {
  const names = cluster.classes.map(({ className }) => className)
  const isIdentityUsed = identities.length > 0
  return {
    I1: [fine(isIdentityUsed ? 'names the identity' : 'is not used')],
    I2: [fine('the pod does not ask for it')],
    I3: [fine('no class signs in')],
    ...observed,
    K4: [
      ...(observed.K4 ?? []),
      fine(names.length === 0 ? 'the pod mounts none' : `${names.join(', ')}: read as the provider reads it`),
    ],
  }
}

/** What mounted volumes prove about steps that were not examined. */
function evidence(
  steps: readonly StepId[],
  { statuses, cluster }: PodFacts,
  { identities }: ClusterExamination,
  unproven: string,
): Observed {
  const mounted = 'value' in statuses ? statuses.value : []
  const ofIdentity = new Set<StepId>(['I4', 'I5', 'I6', 'I7'])
  const isStale = mounted.some(({ metadata }) => metadata.annotations?.[statusAnnotations.staleSince] !== undefined)
  const isProven = mounted.length > 0 && mounted.length >= cluster.classes.length && !isStale
  return Object.fromEntries(
    steps
      .filter((id) => identities.length > 0 || !ofIdentity.has(id))
      .map((id): [StepId, Observation[]] => [
        id,
        [isProven ? fine('the driver has read every object with it') : notKnown(unproven)],
      ]),
  )
}

/** What kubelet and driver reported, each at its step, unless a closer look there has found it right since. */
function withReports(
  observed: Observed,
  facts: PodFacts,
  { lookedAt, isAzureGiven }: { lookedAt: ReadonlySet<StepId>; isAzureGiven: boolean },
): Observed {
  const result: Observed = { ...observed }
  for (const report of facts.reports) {
    const seen = observed[report.step] ?? []
    if (hasFailed(seen) || isExplained(report, observed)) continue
    const isRight = lookedAt.has(report.step) && seen.every(({ state }) => state === 'ok')
    const when = report.at === '' ? '' : ` (${report.at})`
    const past = isRight
      ? `it is right now; ${report.isStale === true ? 'the driver reads it again within 15 s' : 'kubelet tries again within two minutes'}`
      : hasChangedSince(report, facts.cluster)
        ? 'reported before the class was changed; kubelet tries again within two minutes'
        : undefined
    result[report.step] = [
      ...seen,
      past !== undefined
        ? { state: 'warn', code: report.code, text: `${report.text}${when}: ${past}` }
        : {
            state: 'fail',
            code: report.code,
            text: `${report.text}${when}`,
            fix: fixOfReport(report, facts, isAzureGiven),
          },
    ]
  }
  return result
}

/** The provider reports a class without an identity as wrong parameters; the step that looked for the identity has the fix. */
function isExplained({ step }: Report, observed: Observed): boolean {
  const isClassRight = (observed.K4 ?? []).every(({ state }) => state === 'ok')
  return step === 'K4' && isClassRight && (['I1', 'I3'] as const).some((id) => hasFailed(observed[id]))
}

async function examineObjects(azure: AzureSession, facts: PodFacts): Promise<Observation[]> {
  const { classes } = facts.cluster
  const objects = await gatherObjects(azure, wantedObjects(facts))
  const byName = new Map(
    classes.flatMap(({ className, class: found }) =>
      'value' in found && found.value !== undefined ? [[className, found.value] as const] : [],
    ),
  )
  return judgeObjects(objects, byName, facts.nowMs)
}
