import { errorMessage } from '#lib'
import type { Clusters } from '../arm/container-service/clusters.ts'
import { bindingIssuer, type IdentityBindings } from '../arm/container-service/identity-bindings.ts'
import type { Tenant } from '../directory/tenant.ts'
import { EntraRefusal } from './error-response.ts'
import type { SignIn } from './sign-in.ts'
import { parseTokenRequest } from './token-request.ts'

/** What the token proxy of a cluster asks for, after it has authenticated and authorized the service account. */
export interface BindingTokenRequest {
  /** Of the cluster's service account tokens: it identifies the cluster. */
  issuer: string
  /** The form of the token request. */
  form: string
}

/** A status and a body for the client, in the shape of Entra's. */
export interface BindingAnswer {
  status: number
  body: Record<string, unknown>
}

export type BindingTokens = (request: BindingTokenRequest) => Promise<BindingAnswer>

export interface BindingTokenOptions {
  tenant: Tenant
  clusters: Clusters
  bindings: IdentityBindings
  signIn: SignIn
}

/**
 * AKS's part of an identity binding: a token of the bound identity, by the one federated credential that all bindings of it share.
 * https://learn.microsoft.com/azure/aks/identity-bindings-concepts
 */
export function createBindingTokens(options: BindingTokenOptions): BindingTokens {
  return async (request) => {
    try {
      return await exchange(options, request)
    } catch (error) {
      if (!(error instanceof EntraRefusal)) return refused(500, 'server_error', errorMessage(error))
      const { status, code, message, aadsts } = error
      return { status, body: { error: code, error_description: message, error_codes: [aadsts] } }
    }
  }
}

async function exchange(
  { tenant, clusters, bindings, signIn }: BindingTokenOptions,
  { issuer, form }: BindingTokenRequest,
): Promise<BindingAnswer> {
  const cluster = clusters.all().find(({ endpoint }) => endpoint?.issuerUrl === issuer)
  if (cluster === undefined) return refused(403, 'access_denied', 'The cluster is not a managed cluster.')
  const request = parseTokenRequest(new URLSearchParams(form), 'v2')
  const { clientId } = request
  if (!bindings.ofCluster(cluster.id).some((binding) => binding.clientId === clientId))
    return refused(403, 'access_denied', `The cluster ${cluster.name} has no identity binding for ${clientId}.`)
  const proof = { kind: 'identity-binding', issuer: bindingIssuer(tenant.tenantId, clientId) } as const
  const { accessToken, lifetimeSeconds } = await signIn({ ...request, proof })
  return {
    status: 200,
    body: {
      token_type: 'Bearer',
      expires_in: lifetimeSeconds,
      ext_expires_in: lifetimeSeconds,
      access_token: accessToken,
    },
  }
}

function refused(status: number, error: string, description: string): BindingAnswer {
  return { status, body: { error, error_description: description } }
}
