import type { RoleAssignments } from '../access/role-assignments.ts'
import { describeGap } from '../http/known-gaps.ts'
import { Refusal } from '../http/refusal.ts'
import { type RoutedRequest, routeOperations } from '../http/route-operations.ts'
import { type Exchange, json, type OperationRow, type Service } from '../http/service.ts'
import type { Cloud } from '../proxy/clouds.ts'
import { vaultOfHost } from '../proxy/served-hosts.ts'
import { type Authority, authenticate } from './authenticate.ts'
import { authorize } from './authorize.ts'
import { badParameter, vaultErrorResponse } from './error-response.ts'
import { isApiVersion, newestApiVersion, objectNamePattern } from './limits.ts'
import type { VaultAnswer, VaultOperation } from './operation.ts'
import type { Vault, Vaults } from './vaults.ts'

export interface KeyVaultOptions {
  cloud: Cloud
  authority: Authority
  vaults: Vaults
  roles: RoleAssignments
  operations: readonly VaultOperation[]
}

/** Key Vault's data plane. Behind `NAME.vault.azure.net`. */
export function createKeyVault(options: KeyVaultOptions): Service {
  return {
    operations: options.operations.map(rowOf),
    fetch: routeOperations({
      operations: options.operations,
      answer: (routed) => answerRequest(options, routed),
    }),
    refuse: vaultErrorResponse,
  }
}

function rowOf({ permission, ...row }: VaultOperation): OperationRow {
  const { kind, policy, dataAction } = permission
  return { ...row, requires: `Microsoft.KeyVault/vaults/${dataAction}`, requiresPolicy: `${kind}/${policy}` }
}

/** Everything that happens to a request, in Key Vault's order: a client without a token gets its challenge before any other check. */
async function answerRequest(options: KeyVaultOptions, routed: RoutedRequest<VaultOperation>): Promise<Response> {
  const { request, exchange, operation } = routed
  const { name = '', version = '' } = routed.names
  const { host, url } = exchange
  const vault = findVault(options, host)
  exchange.operation = 'vault.challenge'
  const caller = await authenticate(request, options.authority)
  checkNetwork(vault)
  checkApiVersion(url)
  if (operation === undefined) throw notImplemented(request, exchange)
  exchange.operation = operation.operation
  if (operation.path.includes('/:name')) checkName(name)
  authorize(vault, caller, operation.permission, name === '' ? undefined : name, options.roles)
  const answer = await operation.run({ vault, caller, url, name, version, body: () => readJson(request) })
  return responseOf(answer)
}

function findVault({ cloud, vaults }: KeyVaultOptions, host: string): Vault {
  const name = vaultOfHost(cloud, host) ?? ''
  const vault = vaults.get(name)
  if (vault !== undefined) return vault
  throw new Refusal(404, 'VaultNotFound', `There is no vault '${name}': Azure would not resolve ${host}.`)
}

/** The lab has no client addresses to compare rules with: `defaultAction: Deny` keeps every client out. */
function checkNetwork({ name, location, properties }: Vault): void {
  const isPublic = properties.publicNetworkAccess === 'Enabled'
  if (isPublic && properties.networkAcls?.defaultAction !== 'Deny') return
  const reason = isPublic
    ? 'Client address is not authorized and caller is not a trusted service.'
    : 'Public network access is disabled and request is not from a trusted service nor via an approved private link.'
  throw new Refusal(403, 'Forbidden', `${reason}\r\nVault: ${name};location=${location}`, {
    innerCode: isPublic ? 'ForbiddenByFirewall' : 'ForbiddenByConnection',
  })
}

function checkApiVersion(url: URL): void {
  const version = url.searchParams.get('api-version') ?? ''
  if (version === '') throw badParameter('The request is missing the mandatory parameter api-version.')
  if (isApiVersion(version)) return
  throw badParameter(
    `The specified version (${version}) is not recognized. Consider using the latest supported version (${newestApiVersion}).`,
  )
}

function notImplemented(request: Request, exchange: Exchange): Refusal {
  exchange.operation = 'vault.notImplemented'
  const gap = describeGap('keyvault', request.method, exchange.url.pathname)
  return new Refusal(501, 'NotImplemented', `The local Azure does not implement ${gap} of Key Vault.`)
}

function checkName(name: string): void {
  if (!objectNamePattern.test(name)) throw badParameter(`The request URI contains an invalid name: ${name}`)
}

async function readJson(request: Request): Promise<unknown> {
  try {
    return await request.json()
  } catch {
    throw badParameter('Request body not specified or not valid JSON')
  }
}

function responseOf(answer: VaultAnswer): Response {
  if ('body' in answer) return json(answer.status ?? 200, answer.body)
  return new Response(null, { status: answer.status })
}
