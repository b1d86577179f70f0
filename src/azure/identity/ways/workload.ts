import { errorMessage } from '#lib'
import { assertionFields, exchangeToken } from '../exchange-token.ts'
import { parseServiceAccountTokens, type ServiceAccountToken, tokenExchangeAudience } from '../service-account-token.ts'
import type { Who } from '../who.ts'
import { authProblem, type Keying, type KeyParts, type Way } from './way.ts'

/** The pod's service account token is the proof: https://learn.microsoft.com/entra/workload-id/workload-identity-federation */
export interface WorkloadCredential {
  kind: 'workload'
  tenantId: string
  clientId: string
  assertion: ServiceAccountToken
}

export const workload: Way<WorkloadCredential> = {
  kind: 'workload',
  manner: 'by workload identity',
  clientIdFromAccount: true,
  usesTenant: true,
  choose({ tenantId, clientId, serviceAccountTokens, audiences = [tokenExchangeAudience] }, problems) {
    try {
      const assertion = parseServiceAccountTokens(serviceAccountTokens, audiences)
      return { kind: 'workload', tenantId, clientId, assertion }
    } catch (error) {
      return authProblem(problems, 'None', `failed to parse workload identity tokens, error: ${errorMessage(error)}`)
    }
  },
  describe: (credential) => federatedWho('workload identity', credential).description,
  key: federatedKey,
  acquire: (credential, request, { send, clock }) =>
    exchangeToken({
      who: federatedWho('workload identity', credential),
      request,
      send,
      clock,
      proof: assertionFields(credential.assertion.token.revealText()),
    }),
}

interface Federated {
  tenantId: string
  clientId: string
  assertion: ServiceAccountToken
}

/** Who signs in by a service account token. */
export function federatedWho(how: string, { tenantId, clientId, assertion: { claims } }: Federated): Who {
  const { subject, issuer, audiences } = claims
  return {
    brief: `${how}: client ${clientId}, tenant ${tenantId}`,
    description: `${how}: client ${clientId}, tenant ${tenantId}, subject ${subject}, issuer ${issuer}, audience ${audiences.join(' ')}`,
    sdkName: 'ClientAssertionCredential',
    tenantId,
    clientId,
    claims,
  }
}

/**
 * A service account token is a claim until it was verified. A pod's author may be able to put a forged one into the volume's
 * attributes, and a cache that believed its subject would hand over another pod's secrets. So pods of one service account
 * share only when the token's signature and time were verified; otherwise each token has a key of its own. A service account
 * that was deleted and created again is another one.
 */
export async function federatedKey(
  { tenantId, clientId, assertion }: Federated,
  { fingerprint, verify }: Keying,
): Promise<KeyParts> {
  const { issuer, subject, audiences, accountUid = '' } = assertion.claims
  const isVerified = await verify(assertion)
  const proof = isVerified ? 'verified' : fingerprint(assertion.token)
  const parts = [tenantId, clientId, issuer, subject, [...audiences].sort(), accountUid, proof]
  return { parts, proof: isVerified ? 'own' : 'none' }
}
