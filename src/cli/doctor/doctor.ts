import { type CliWorld, createTerminal, exitCodes } from '#terminal'
import { chosenKubeconfig, labOfKubeconfig } from '../cluster/chosen-kubeconfig.ts'
import { withCluster } from '../cluster/open-cluster.ts'
import { requireAnswers } from '../cluster/require-answers.ts'
import { parseAzureFlags } from '../identity/azure-flags.ts'
import { openAzure } from '../identity/azure-session.ts'
import type { AzureFlags } from '../identity/sign-in-options.ts'
import type { ClusterOption } from '../options.ts'
import { asCouldNotLook } from './could-not-look.ts'
import type { AzureAccess } from './examine-pod.ts'
import { examineTarget } from './examine-target.ts'
import { printReport } from './print-steps.ts'
import type { DoctorReport } from './report.ts'
import { parseTarget } from './target.ts'
import { withDeadlines } from './with-deadlines.ts'

export interface DoctorCommand {
  /** As {@link parseTarget} takes it. */
  target: string | undefined
  /** Default: the one of the kubeconfig's context. */
  namespace: string | undefined
  probe: boolean
  azure: boolean
  /** Whether a token of the service account may be created and sent to Entra, with `azure`. */
  signIn: boolean
  json: boolean
  azureFlags: AzureFlags
  cluster: ClusterOption
  world: CliWorld
}

/** Each request has this long: the table comes within seconds, whatever hangs. */
const requestMs = 10_000

/**
 * `keymount doctor`: follows the data path of a pod, a workload, a class, a SecretSync, a node or the whole cluster, to the
 * first step that is wrong. Changes nothing but the pod of `--probe`, which it deletes. Exit status 0 if nothing is wrong, 1 if
 * something is, 2 if it could not look.
 */
export async function doctor(command: DoctorCommand): Promise<number> {
  const { world, json } = command
  const terminal = createTerminal({ ...world, stepsTo: 'stdout' })
  const report = await asCouldNotLook({ signal: world.signal, fixes: startOfLab(command) }, () =>
    terminal.wait(`examining ${command.target ?? 'the cluster'}`, () => examine(command)),
  )
  const { title: _, notes, ...rest } = report
  if (json) terminal.line(JSON.stringify({ ...rest, ...(notes.length === 0 ? {} : { notes }) }, null, 2))
  else printReport(report, terminal)
  return report.steps.some(({ state }) => state === 'fail') ? exitCodes.failed : exitCodes.ok
}

/** The command that starts the lab, where its cluster is the one that is examined. */
function startOfLab({ cluster, world }: DoctorCommand): string[] {
  const home = labOfKubeconfig(cluster, world)
  return home === undefined ? [] : [`start the lab: keymount up${home.option}`]
}

async function examine(command: DoctorCommand): Promise<DoctorReport> {
  const { cluster, world } = command
  const target = parseTarget(command.target)
  const kubeconfig = chosenKubeconfig(cluster, world)
  return withCluster({ ...cluster, kubeconfig }, world, async ({ kube, config }) => {
    const limited = withDeadlines(kube, { timeoutMs: requestMs, signal: world.signal })
    await requireAnswers(limited)
    const azure = await accessOf(command, config.ca)
    try {
      return await examineTarget({
        target,
        namespace: command.namespace ?? config.namespace,
        givenNamespace: command.namespace,
        kube: limited,
        azure,
        probe: command.probe,
        packageRoot: world.packageRoot,
        kubeconfig,
        signal: world.signal,
      })
    } finally {
      azure?.azure.stop()
    }
  })
}

async function accessOf(
  { azure, azureFlags, signIn, world }: DoctorCommand,
  ca: string | undefined,
): Promise<AzureAccess> {
  if (!azure) return undefined
  const settings = parseAzureFlags(azureFlags, world, { needsSubscription: false })
  const session = await openAzure(settings, world, { timeoutMs: requestMs })
  return { azure: session, ca, signIn }
}
