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
import { findIdentity } from './azure-facts.ts'
import { type ClassIdentityWish, checkMountedClass, identityWish } from './check-class.ts'
import { checkIdentity } from './check-identity.ts'
import { checkIssuer, fetchIssuer } from './check-issuer.ts'
import { checkPod, checkServiceAccount, wantsWebhook } from './check-pod.ts'
import { checkVault } from './check-vault.ts'
import { checkWebhook } from './check-webhook.ts'
import { type ClusterFacts, gatherCluster } from './cluster-facts.ts'
import { attempt, type Known, type Section } from './finding.ts'
import { count, printReport, type Report } from './print-report.ts'
import { accountToken, trySignIn } from './sign-in.ts'
import { type WantedIdentity, wantedIdentities } from './wanted-identities.ts'

export interface DoctorCommand {
  pod: string
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
  const { world, json, azureFlags } = command
  const config = readKubeconfig(chosenKubeconfig(world, command.home, command.kubeconfig), world.env)
  const kube = createKubeClient(config)
  const azure = await openAzure(parseAzureFlags(azureFlags, world, { needsSubscription: false }), world)
  try {
    const report = await examine({ kube, config, azure, command })
    const terminal = createTerminal(world)
    if (json) terminal.line(JSON.stringify({ ...report, ...count(report) }, null, 2))
    else printReport(report, createTerminal({ ...world, stepsTo: 'stdout' }))
    return count(report).problems > 0 ? exitCodes.failed : exitCodes.ok
  } finally {
    kube.close()
    azure.stop()
  }
}

interface Examination {
  kube: KubeClient
  config: KubeConfig
  azure: AzureSession
  command: DoctorCommand
}

async function examine(examination: Examination): Promise<Report> {
  const { kube, config, command } = examination
  const namespace = command.namespace ?? config.namespace
  const facts = await gatherCluster(kube, { namespace, name: command.pod })
  if (facts === undefined) throw noSuchPod(namespace, command.pod)
  const annotations = annotationsOf(facts)
  const wishes = facts.classes.flatMap((mounted) => identityWish(mounted, annotations) ?? [])
  const byClass = signsInByClass(facts, wishes)
  const podFacts = { ...facts, signsInByClass: byClass }
  const { metadata, status } = facts.pod
  return {
    pod: { namespace, name: command.pod, phase: status?.phase ?? 'Unknown', serviceAccount: facts.accountRef.name },
    sections: [
      {
        title: 'Pod',
        findings: [...checkPod(podFacts), ...(wantsWebhook(podFacts) ? [checkWebhook(facts)] : []), ...facts.lastError],
      },
      {
        title: `Service account ${metadata.namespace}/${facts.accountRef.name}`,
        findings: checkServiceAccount(facts.accountRef, facts.account, byClass),
      },
      ...facts.classes.map((mounted) => ({
        title: `Class ${namespace}/${mounted.name}`,
        findings: checkMountedClass(mounted, { annotations, driver: facts.driver }),
      })),
      ...(await examineIdentities(examination, facts, wantedIdentities(facts.pod, annotations, wishes))),
    ],
  }
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

/** Undefined when none is known to, and some class could not be read. */
function signsInByClass({ classes }: ClusterFacts, wishes: readonly ClassIdentityWish[]): boolean | undefined {
  if (wishes.some(({ clientId }) => clientId !== undefined)) return true
  return classes.some((mounted) => 'why' in mounted.class) ? undefined : false
}

function annotationsOf({ account }: ClusterFacts): Record<string, string> {
  return 'value' in account ? (account.value?.metadata.annotations ?? {}) : {}
}

function noSuchPod(namespace: string, name: string): CliError {
  return new CliError({
    what: `There is no pod "${name}" in namespace "${namespace}"`,
    fix: ['name its namespace: -n NAMESPACE', 'see all of them: kubectl get pods -A'],
  })
}
