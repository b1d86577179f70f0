import type { Cloud } from '../proxy/clouds.ts'

/** OpenID Connect discovery of one authority. https://openid.net/specs/openid-connect-discovery-1_0.html */
export function openIdConfiguration(cloud: Cloud, tenant: { segment: string; tenantId: string }, version: 'v1' | 'v2') {
  const base = `https://${cloud.login}/${tenant.segment}`
  const v2 = version === 'v2' ? '/v2.0' : ''
  const isTemplate = tenant.segment === 'organizations' || tenant.segment === 'common'
  const issuerTenant = isTemplate ? '{tenantid}' : tenant.tenantId
  return {
    token_endpoint: `${base}/oauth2${v2}/token`,
    token_endpoint_auth_methods_supported: ['client_secret_post', 'private_key_jwt'],
    jwks_uri: `${base}/discovery${v2}/keys`,
    response_modes_supported: ['query', 'fragment', 'form_post'],
    subject_types_supported: ['pairwise'],
    id_token_signing_alg_values_supported: ['RS256'],
    response_types_supported: ['code', 'id_token', 'code id_token', 'id_token token'],
    scopes_supported: ['openid', 'profile', 'email', 'offline_access'],
    issuer:
      version === 'v2' ? `https://${cloud.login}/${issuerTenant}/v2.0` : `https://sts.windows.net/${issuerTenant}/`,
    request_uri_parameter_supported: false,
    userinfo_endpoint: `https://${cloud.graph}/oidc/userinfo`,
    authorization_endpoint: `${base}/oauth2${v2}/authorize`,
    device_authorization_endpoint: `${base}/oauth2${v2}/devicecode`,
    http_logout_supported: true,
    claims_supported: ['sub', 'iss', 'aud', 'exp', 'iat', 'tid', 'ver'],
    tenant_region_scope: null,
    cloud_instance_name: 'microsoftonline.com',
    cloud_graph_host_name: 'graph.windows.net',
    msgraph_host: cloud.graph,
    rbac_url: 'https://pas.windows.net',
  }
}

/** MSAL's instance discovery: is this login host one of Microsoft's? Undefined when it is not. */
export function instanceDiscovery(cloud: Cloud, authorizationEndpoint: URL) {
  if (authorizationEndpoint.host !== cloud.login) return undefined
  const tenant = authorizationEndpoint.pathname.split('/')[1] ?? 'common'
  return {
    tenant_discovery_endpoint: `https://${cloud.login}/${tenant}/v2.0/.well-known/openid-configuration`,
    'api-version': '1.1',
    metadata: [{ preferred_network: cloud.login, preferred_cache: cloud.login, aliases: [cloud.login] }],
  }
}

/** The authority that checks the passwords of a user's domain; MSAL requests it before it sends one. @param user as in the path, encoded */
export function userRealm(user: string, ownDomain: string) {
  const domain = user.toLowerCase().replace('%40', '@').split('@').at(-1) ?? ''
  return {
    ver: '1.0',
    account_type: domain === ownDomain ? 'Managed' : 'Unknown',
    domain_name: domain,
    cloud_instance_name: 'microsoftonline.com',
    cloud_audience_urn: 'urn:federation:MicrosoftOnline',
  }
}
