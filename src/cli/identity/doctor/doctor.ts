import type { KubeClient } from '#kubernetes/client'
import { CliError, type CliWorld, createTerminal, exitCodes } from '#terminal'
import { withCluster } from '../../cluster/open-cluster.ts'
import type { ClusterOption } from '../../options.ts'
import { parseAzureFlags } from '../azure-flags.ts'
import { openAzure } from '../azure-session.ts'
import type { AzureFlags } from '../sign-in-options.ts'
import { gatherCluster } from './cluster-facts.ts'
import { type Examination, examineInAzure } from './examine-in-azure.ts'
import { examineInCluster } from './examine-in-cluster.ts'
import { count, printReport, type Report } from './print-report.ts'
import { printSurvey, survey } from './survey.ts'

export interface DoctorCommand {
  /** Undefined: all of the namespace, as far as the cluster shows. */
  pod: string | undefined
  /** Default: the one of the kubeconfig's context. */
  namespace: string | undefined
  /** Whether a token of the service account may be made, and shown to Entra. */
  signIn: boolean
  json: boolean
  azureFlags: AzureFlags
  cluster: ClusterOption
  world: CliWorld
}

/**
 * `keymount identity doctor`: why a pod does not sign in. Changes nothing. Exit status 0 when nothing is wrong, 1 when
 * something is; what may not be looked at is told and counts as neither.
 */
export async function doctor(command: DoctorCommand): Promise<number> {
  const { pod: name, signIn, cluster, world } = command
  return withCluster(cluster, world, async ({ kube, config }) => {
    const namespace = command.namespace ?? config.namespace
    if (name === undefined) return reportNamespace(kube, namespace, command)
    return reportPod({ kube, ca: config.ca, signIn }, { namespace, name }, command)
  })
}

async function reportNamespace(kube: KubeClient, namespace: string, { json, world }: DoctorCommand): Promise<number> {
  const found = await survey(kube, namespace)
  const terminal = createTerminal({ ...world, stepsTo: 'stdout' })
  if (json) terminal.line(JSON.stringify(found, null, 2))
  else printSurvey(found, terminal, world.programName)
  return found.pods.some(({ problems }) => problems.length > 0) ? exitCodes.failed : exitCodes.ok
}

async function reportPod(
  cluster: Omit<Examination, 'azure'>,
  ref: { namespace: string; name: string },
  { world, json, azureFlags }: DoctorCommand,
): Promise<number> {
  const azure = await openAzure(parseAzureFlags(azureFlags, world, { needsSubscription: false }), world)
  try {
    const report = await examine({ ...cluster, azure }, ref)
    const terminal = createTerminal({ ...world, stepsTo: 'stdout' })
    if (json) terminal.line(JSON.stringify({ ...report, ...count(report) }, null, 2))
    else printReport(report, terminal)
    return count(report).problems > 0 ? exitCodes.failed : exitCodes.ok
  } finally {
    azure.stop()
  }
}

async function examine(
  examination: Examination,
  { namespace, name }: { namespace: string; name: string },
): Promise<Report> {
  const facts = await gatherCluster(examination.kube, { namespace, name })
  if (facts === undefined) throw noSuchPod(namespace, name)
  const { sections, wanted } = examineInCluster(facts)
  const pod = {
    namespace,
    name,
    phase: facts.pod.status?.phase ?? 'Unknown',
    serviceAccount: facts.accountRef.name,
  }
  return { pod, sections: [...sections, ...(await examineInAzure(examination, facts, wanted))] }
}

function noSuchPod(namespace: string, name: string): CliError {
  return new CliError({
    what: `There is no pod "${name}" in namespace "${namespace}"`,
    fix: ['name its namespace: -n NAMESPACE', 'see all of them: kubectl get pods -A'],
  })
}
