import type { KubeClient } from '#kubernetes/client'
import { resources } from '#kubernetes/client'
import { type CliWorld, createTerminal, exitCodes } from '#terminal'
import { noSuchObject } from '../../cluster/no-such-object.ts'
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
  /** Undefined: all pods of the namespace, as far as the cluster shows. */
  pod: string | undefined
  /** Default: the one of the kubeconfig's context. */
  namespace: string | undefined
  /** Whether a token of the service account may be created and sent to Entra. */
  signIn: boolean
  json: boolean
  azureFlags: AzureFlags
  cluster: ClusterOption
  world: CliWorld
}

interface PodRef {
  namespace: string
  name: string
}

/**
 * `keymount identity doctor`: why a pod does not sign in. Changes nothing. Exit status 0 if nothing is wrong, 1 if something
 * is; what the user may not read is reported and counts as neither.
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
  const terminal = createTerminal({ ...world, stepsTo: 'stdout' })
  const found = await terminal.wait(`examining the pods of ${namespace}`, () =>
    survey(kube, namespace, world.packageRoot),
  )
  if (json) terminal.line(JSON.stringify(found, null, 2))
  else printSurvey(found, terminal)
  return found.pods.some(({ problems }) => problems.length > 0) ? exitCodes.failed : exitCodes.ok
}

async function reportPod(
  cluster: Omit<Examination, 'azure'>,
  ref: PodRef,
  { world, json, azureFlags }: DoctorCommand,
): Promise<number> {
  const azure = await openAzure(parseAzureFlags(azureFlags, world, { needsSubscription: false }), world)
  try {
    const terminal = createTerminal({ ...world, stepsTo: 'stdout' })
    const report = await terminal.wait(`examining ${ref.namespace}/${ref.name}`, () =>
      examine({ ...cluster, azure }, ref, world.packageRoot),
    )
    if (json) terminal.line(JSON.stringify({ ...report, ...count(report) }, null, 2))
    else printReport(report, terminal)
    return count(report).problems > 0 ? exitCodes.failed : exitCodes.ok
  } finally {
    azure.stop()
  }
}

async function examine(examination: Examination, ref: PodRef, packageRoot: string): Promise<Report> {
  const facts = await gatherCluster(examination.kube, ref)
  if (facts === undefined) throw await noSuchObject(examination.kube, { resource: resources.pods, noun: 'pod', ...ref })
  const inCluster = examineInCluster(facts, packageRoot)
  const pod = {
    ...ref,
    phase: facts.pod.status?.phase ?? 'Unknown',
    serviceAccount: facts.accountRef.name,
  }
  return { pod, sections: [...inCluster.sections, ...(await examineInAzure(examination, facts, inCluster))] }
}
