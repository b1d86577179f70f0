import { createKubeClient, type KubeClient, type KubeConfig } from '../../../kube/index.ts'
import { createHttpClient } from '../../../lib/index.ts'
import { chosenKubeconfig } from '../../chosen-kubeconfig.ts'
import { CliError, exitCodes } from '../../cli-error.ts'
import type { CliWorld } from '../../cli-world.ts'
import type { LabHome } from '../../lab-home.ts'
import { readKubeconfig } from '../../real-cluster.ts'
import { createTerminal } from '../../terminal.ts'
import { type AzureFlags, parseAzureFlags } from '../azure-flags.ts'
import { type AzureSession, openAzure } from '../azure-session.ts'
import { attempt, type Known } from '../known.ts'
import { findIdentity } from './azure-facts.ts'
import { checkIdentity } from './check-identity.ts'
import { checkIssuer, fetchIssuer } from './check-issuer.ts'
import { checkVault } from './check-vault.ts'
import { type ClusterFacts, gatherCluster } from './cluster-facts.ts'
import { examineInCluster } from './examine-in-cluster.ts'
import type { Section } from './finding.ts'
import { count, printReport, type Report } from './print-report.ts'
import { accountToken, trySignIn } from './sign-in.ts'
import { printSurvey, survey } from './survey.ts'
import type { WantedIdentity } from './wanted-identities.ts'

export interface DoctorCommand {
  /** Undefined: all of the namespace, as far as the cluster shows. */
  pod: string | undefined
  /** Default: the one of the kubeconfig's context. */
  namespace: string | undefined
  /** Whether a token of the service account may be made, and shown to Entra. */
  signIn: boolean
  json: boolean
  azureFlags: AzureFlags
  kubeconfig: string | undefined
  home: LabHome
  world: CliWorld
}

/**
 * `keymount identity doctor`: why a pod does not sign in. Changes nothing. Exit status 0 when nothing is wrong, 1 when
 * something is; what may not be looked at is told and counts as neither.
 */
export async function doctor(command: DoctorCommand): Promise<number> {
  const { world } = command
  const config = readKubeconfig(chosenKubeconfig(world, command.home, command.kubeconfig), world.env)
  const kube = createKubeClient(config)
  const namespace = command.namespace ?? config.namespace
  try {
    return command.pod === undefined
      ? await reportNamespace(kube, namespace, command)
      : await reportPod({ kube, config, command }, namespace, command.pod)
  } finally {
    kube.close()
  }
}

async function reportNamespace(kube: KubeClient, namespace: string, { json, world }: DoctorCommand): Promise<number> {
  const found = await survey(kube, namespace)
  const terminal = createTerminal({ ...world, stepsTo: 'stdout' })
  if (json) terminal.line(JSON.stringify(found, null, 2))
  else printSurvey(found, terminal, world.programName)
  return found.pods.some(({ problems }) => problems.length > 0) ? exitCodes.failed : exitCodes.ok
}

async function reportPod(
  { command, ...cluster }: Omit<Examination, 'azure'>,
  namespace: string,
  pod: string,
): Promise<number> {
  const { world, json, azureFlags } = command
  const azure = await openAzure(parseAzureFlags(azureFlags, world, { needsSubscription: false }), world)
  try {
    const report = await examine({ ...cluster, command, azure }, namespace, pod)
    const terminal = createTerminal({ ...world, stepsTo: 'stdout' })
    if (json) terminal.line(JSON.stringify({ ...report, ...count(report) }, null, 2))
    else printReport(report, terminal)
    return count(report).problems > 0 ? exitCodes.failed : exitCodes.ok
  } finally {
    azure.stop()
  }
}

interface Examination {
  kube: KubeClient
  config: KubeConfig
  azure: AzureSession
  command: DoctorCommand
}

async function examine(examination: Examination, namespace: string, name: string): Promise<Report> {
  const facts = await gatherCluster(examination.kube, { namespace, name })
  if (facts === undefined) throw noSuchPod(namespace, name)
  const { sections, wanted } = examineInCluster(facts)
  const pod = {
    namespace,
    name,
    phase: facts.pod.status?.phase ?? 'Unknown',
    serviceAccount: facts.accountRef.name,
  }
  return { pod, sections: [...sections, ...(await examineIdentities(examination, facts, wanted))] }
}

/** From the issuer on, nothing depends on the pod but on what its service account's tokens say. */
async function examineIdentities(
  { kube, config, azure, command }: Examination,
  facts: ClusterFacts,
  wanted: readonly WantedIdentity[],
): Promise<Section[]> {
  const token = await accountToken(kube, facts.accountRef, command.signIn)
  const signIns = await Promise.all(wanted.map((one) => trySignIn(token, one, azure)))
  const trusting = createHttpClient(config.ca === undefined ? {} : { extraCa: config.ca })
  try {
    const issuer: Known<string> = token.issuer
    const discovery =
      'why' in issuer
        ? issuer
        : await attempt(() => fetchIssuer(issuer.value, { open: azure.send, trusting: trusting.send }))
    const ownTenant = await attempt(() => azure.tenantId())
    const identities = await Promise.all(
      wanted.map((one, i) => examineIdentity({ azure, facts, one, issuer, ownTenant, signIn: signIns[i] })),
    )
    return [
      { title: 'Issuer', findings: checkIssuer({ issuer, keyId: token.keyId, discovery, signIns }) },
      ...identities.flat(),
    ]
  } finally {
    trusting.stop()
  }
}

interface IdentityExamination {
  azure: AzureSession
  facts: ClusterFacts
  one: WantedIdentity
  issuer: Known<string>
  ownTenant: Known<string>
  signIn: Known<true> | undefined
}

async function examineIdentity({
  azure,
  facts,
  one,
  issuer,
  ownTenant,
  signIn,
}: IdentityExamination): Promise<Section[]> {
  const { clientId, tenantId, vaults } = one
  const identity = await attempt(() => findIdentity(azure, clientId))
  const principalId = 'value' in identity ? identity.value?.principalId : undefined
  const findings = checkIdentity({
    clientId,
    tenantId,
    account: facts.accountRef,
    issuer,
    identity,
    ownTenant,
    signIn: signIn ?? { why: 'not tried' },
  })
  const vaultSections = await Promise.all(
    vaults.map(async (vault) => ({
      title: `Vault ${vault.vaultName}`,
      findings: await checkVault(azure, { ...vault, principalId }),
    })),
  )
  return [{ title: `Identity ${clientId}`, findings }, ...vaultSections]
}

function noSuchPod(namespace: string, name: string): CliError {
  return new CliError({
    what: `There is no pod "${name}" in namespace "${namespace}"`,
    fix: ['name its namespace: -n NAMESPACE', 'see all of them: kubectl get pods -A'],
  })
}
