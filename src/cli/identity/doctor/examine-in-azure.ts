import type { KubeClient } from '#kubernetes/client'
import { createHttpClient } from '#lib/http'
import { type Answer, attempt } from '../../answer.ts'
import type { AzureSession } from '../azure-session.ts'
import { identityAnnotations } from '../identity-keys.ts'
import { findIdentity } from './azure-facts.ts'
import { checkIdentity } from './check-identity.ts'
import { checkIssuer, type Fetched, fetchIssuer } from './check-issuer.ts'
import { checkVault, checkVaultExists } from './check-vault.ts'
import type { ClusterFacts } from './cluster-facts.ts'
import type { ClusterExamination } from './examine-in-cluster.ts'
import type { Section } from './finding.ts'
import { accountToken, type SignIn, trySignIn } from './sign-in.ts'
import type { UsedIdentity } from './used-identities.ts'

/** What an examination works with. */
export interface Examination {
  kube: KubeClient
  /** PEM of the CA of the cluster's API server. */
  ca: string | undefined
  azure: AzureSession
  /** Whether a token of the service account may be created and sent to Entra. */
  signIn: boolean
}

/** The issuer and the identities of a pod, as far as it signs in by workload identity, and its vaults. */
export async function examineInAzure(
  { kube, ca, azure, signIn }: Examination,
  facts: ClusterFacts,
  { identities, otherVaults }: ClusterExamination,
): Promise<Section[]> {
  const vaults = otherVaults.map(async (vaultName) => ({
    about: 'vault' as const,
    title: `Vault ${vaultName}`,
    findings: await checkVaultExists(azure, vaultName),
  }))
  if (identities.length === 0) return Promise.all(vaults)
  const token = await accountToken(kube, facts.accountRef, signIn)
  const { issuer, keyId } = token
  const signIns = await Promise.all(identities.map((one) => trySignIn(token, one, azure)))
  const discovery = 'why' in issuer ? issuer : await fetchDocuments(issuer.value, ca, azure)
  const ownTenant = await attempt(() => azure.tenantId())
  const sections = await Promise.all(
    identities.map((used, i) => examineIdentity({ azure, facts, used, issuer, ownTenant, signIn: signIns[i] })),
  )
  return [
    { about: 'issuer', title: 'Issuer', findings: checkIssuer({ issuer, keyId, discovery, signIns }) },
    ...sections.flat(),
    ...(await Promise.all(vaults)),
  ]
}

async function fetchDocuments(issuer: string, ca: string | undefined, azure: AzureSession): Promise<Answer<Fetched>> {
  const trusting = createHttpClient({ extraCa: ca })
  try {
    return await attempt(() => fetchIssuer(issuer, { open: azure.send, trusting: trusting.send }))
  } finally {
    trusting.stop()
  }
}

interface IdentityExamination {
  azure: AzureSession
  facts: ClusterFacts
  used: UsedIdentity
  issuer: Answer<string>
  ownTenant: Answer<string>
  signIn: SignIn | undefined
}

async function examineIdentity(examination: IdentityExamination): Promise<Section[]> {
  const { azure, facts, used, issuer, ownTenant, signIn } = examination
  const { clientId, tenantId, vaults } = used
  const identity = await attempt(() => findIdentity(azure, clientId))
  const principalId = 'value' in identity ? identity.value?.principalId : undefined
  const annotations = 'value' in facts.account ? (facts.account.value?.metadata.annotations ?? {}) : {}
  const findings = checkIdentity({
    clientId,
    tenantId,
    account: facts.accountRef,
    isAnnotated: annotations[identityAnnotations.clientId]?.toLowerCase() === clientId.toLowerCase(),
    owner: facts.owner,
    issuer,
    identity,
    ownTenant,
    signIn: signIn ?? { kind: 'unknown', why: 'it was not tried' },
  })
  const vaultSections = await Promise.all(
    vaults.map(async (vault) => ({
      about: 'vault' as const,
      title: `Vault ${vault.vaultName}`,
      findings: await checkVault(azure, { ...vault, principalId }),
    })),
  )
  return [{ about: 'identity', title: `Identity ${clientId}`, findings }, ...vaultSections]
}
