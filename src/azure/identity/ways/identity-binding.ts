import { errorMessage } from '#lib'
import type { HttpSend } from '#lib/http'
import { bindingRefusal } from '../entra-error.ts'
import { assertionFields, exchangeToken } from '../exchange-token.ts'
import { IdentityError } from '../identity-error.ts'
import {
  identityBindingAudience,
  parseServiceAccountTokens,
  type ServiceAccountToken,
} from '../service-account-token.ts'
import { authProblem, type Way } from './way.ts'
import { federatedKey, federatedWho } from './workload.ts'

/** As workload identity, but the exchange goes through the cluster's token proxy (AKS identity bindings). */
export interface IdentityBindingCredential {
  kind: 'identity-binding'
  tenantId: string
  clientId: string
  assertion: ServiceAccountToken
}

export const identityBinding: Way<IdentityBindingCredential> = {
  kind: 'identity-binding',
  parameter: {
    name: 'useAzureTokenProxy',
    since: '1.8.0',
    meaning: 'Sign in through the cluster’s token proxy: AKS identity bindings.',
  },
  manner: 'through the cluster’s token proxy (identity binding)',
  clientIdFromAccount: true,
  usesTenant: true,
  choose({ tenantId, clientId, serviceAccountTokens }, problems) {
    const fail = (reason: string) => authProblem(problems, 'AzureTokenProxy', reason)
    if (clientId === '') return fail('clientID is required for identity binding')
    if (serviceAccountTokens === '') return fail('service account tokens are required for identity binding')
    try {
      const assertion = parseServiceAccountTokens(serviceAccountTokens, [identityBindingAudience])
      return { kind: 'identity-binding', tenantId, clientId, assertion }
    } catch (error) {
      return fail(`failed to parse service account token for identity binding, error: ${errorMessage(error)}`)
    }
  },
  describe: (credential) => federatedWho('identity binding', credential).description,
  key: federatedKey,
  async acquire(credential, request, { sendThroughTokenProxy: send, clock }) {
    if (send === undefined) {
      throw new IdentityError('token-proxy-unavailable', 'proxy transport not available: no token proxy is configured')
    }
    const who = federatedWho('identity binding', credential)
    const sendChecked: HttpSend = async (outgoing) => {
      const response = await send(outgoing)
      if (response.status === 403) throw bindingRefusal(who, response)
      return response
    }
    const proof = assertionFields(credential.assertion.token.revealText())
    return exchangeToken({ who, request, send: sendChecked, clock, proof })
  },
}
