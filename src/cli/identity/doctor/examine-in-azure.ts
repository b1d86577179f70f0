import type { KubeClient } from '#kubernetes/client'
import { createHttpClient } from '#lib/http'
import { type Answer, attempt } from '../../answer.ts'
import type { AzureSession } from '../azure-session.ts'
import { findIdentity } from './azure-facts.ts'
import { checkIdentity } from './check-identity.ts'
import { checkIssuer, fetchIssuer } from './check-issuer.ts'
import { checkVault } from './check-vault.ts'
import type { ClusterFacts } from './cluster-facts.ts'
import type { Section } from './finding.ts'
import { accountToken, type SignIn, trySignIn } from './sign-in.ts'
import type { WantedIdentity } from './wanted-identities.ts'

/** What an examination is made with. */
export interface Examination {
  kube: KubeClient
  /** PEM of the CA of the cluster's API server. */
  ca: string | undefined
  azure: AzureSession
  /** Whether a token of the service account may be made, and shown to Entra. */
  signIn: boolean
}

/** From the issuer on, nothing depends on the pod but on what its service account's tokens say. */
export async function examineInAzure(
  { kube, ca, azure, signIn }: Examination,
  facts: ClusterFacts,
  wanted: readonly WantedIdentity[],
): Promise<Section[]> {
  const token = await accountToken(kube, facts.accountRef, signIn)
  const signIns = await Promise.all(wanted.map((one) => trySignIn(token, one, azure)))
  const trusting = createHttpClient(ca === undefined ? {} : { extraCa: ca })
  try {
    const issuer: Answer<string> = token.issuer
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
  issuer: Answer<string>
  ownTenant: Answer<string>
  signIn: SignIn | undefined
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
    signIn: signIn ?? { kind: 'unknown', why: 'it was not tried' },
  })
  const vaultSections = await Promise.all(
    vaults.map(async (vault) => ({
      title: `Vault ${vault.vaultName}`,
      findings: await checkVault(azure, { ...vault, principalId }),
    })),
  )
  return [{ title: `Identity ${clientId}`, findings }, ...vaultSections]
}
