import { Hono } from 'hono'
import type { RoleAssignments } from '../access/role-assignments.ts'
import type { AccessTokenClaims } from '../entra/access-tokens.ts'
import { describeGap } from '../http/known-gaps.ts'
import { type Exchange, json, type Service } from '../http/service.ts'
import type { Cloud } from '../proxy/clouds.ts'
import { vaultOfHost } from '../proxy/served-hosts.ts'
import { type Authority, authenticate } from './authenticate.ts'
import { authorize } from './authorize.ts'
import { badParameter, VaultError, vaultErrorResponse } from './error-response.ts'
import { isApiVersion, newestApiVersion, objectNamePattern } from './limits.ts'
import type { VaultOperation } from './operation.ts'
import type { Vault, Vaults } from './vaults.ts'

export interface KeyVaultOptions {
  cloud: Cloud
  authority: Authority
  vaults: Vaults
  roles: RoleAssignments
  operations: readonly VaultOperation[]
}

/** A request that has passed the gate: it has a vault and a caller. */
interface Admitted extends Exchange {
  vault: Vault
  caller: AccessTokenClaims
}

/** Key Vault's data plane. Behind `NAME.vault.azure.net`. */
export function createKeyVault({ cloud, authority, vaults, roles, operations }: KeyVaultOptions): Service {
  const app = new Hono<{ Bindings: { admitted: Admitted } }>({ strict: false })
  for (const { operation, method, path, permission, run } of operations) {
    app.on(method, path, async (c) => {
      const { admitted } = c.env
      admitted.operation = operation
      const name = c.req.param('name') ?? ''
      if (path.includes('/:name')) checkName(name)
      const { vault, caller, url } = admitted
      authorize(vault, caller, permission, name === '' ? undefined : name, roles)
      const version = c.req.param('version') ?? ''
      const answer = await run({ vault, caller, url, name, version, body: () => readJson(c.req.raw) })
      return 'body' in answer ? json(answer.status ?? 200, answer.body) : new Response(null, { status: answer.status })
    })
  }
  app.notFound((c) => {
    c.env.admitted.operation = 'vault.notImplemented'
    throw new VaultError(
      501,
      'NotImplemented',
      `The local Azure does not implement ${describeGap('keyvault', c.req.method, c.req.path)} of Key Vault.`,
    )
  })
  app.onError((error) => {
    throw error
  })

  async function admit(request: Request, exchange: Exchange): Promise<Admitted> {
    const vault = findVault(exchange.host)
    exchange.operation = 'vault.challenge'
    const caller = await authenticate(request, authority)
    checkNetwork(vault)
    checkApiVersion(exchange.url)
    return Object.assign(exchange, { vault, caller })
  }

  function findVault(host: string): Vault {
    const name = vaultOfHost(cloud, host) ?? ''
    const vault = vaults.get(name)
    if (vault !== undefined) return vault
    throw new VaultError(404, 'VaultNotFound', `There is no vault '${name}': Azure would not resolve ${host}.`)
  }

  return {
    operations,
    async fetch(request, exchange) {
      try {
        const admitted = await admit(request, exchange)
        return await app.fetch(request, { admitted })
      } catch (error) {
        if (error instanceof VaultError) return vaultErrorResponse(error)
        throw error
      }
    },
    refuse: ({ status, code, message, headers = {} }) =>
      vaultErrorResponse(new VaultError(status, code, message, { headers })),
  }
}

function checkApiVersion(url: URL): void {
  const version = url.searchParams.get('api-version')
  if (version === null || version === '') {
    throw badParameter('The request is missing the mandatory parameter api-version.')
  }
  if (!isApiVersion(version)) {
    throw badParameter(
      `The specified version (${version}) is not recognized. Consider using the latest supported version (${newestApiVersion}).`,
    )
  }
}

function checkName(name: string): void {
  if (!objectNamePattern.test(name)) throw badParameter(`The request URI contains an invalid name: ${name}`)
}

/** Rules for addresses say nothing on loopback; what counts is whether everybody is kept out. */
function checkNetwork({ name, location, properties }: Vault): void {
  const isPublic = properties.publicNetworkAccess === 'Enabled'
  if (isPublic && properties.networkAcls?.defaultAction !== 'Deny') return
  const reason = isPublic
    ? 'Client address is not authorized and caller is not a trusted service.'
    : 'Public network access is disabled and request is not from a trusted service nor via an approved private link.'
  throw new VaultError(403, 'Forbidden', `${reason}\r\nVault: ${name};location=${location}`, {
    innerCode: isPublic ? 'ForbiddenByFirewall' : 'ForbiddenByConnection',
  })
}

async function readJson(request: Request): Promise<unknown> {
  try {
    return await request.json()
  } catch {
    throw badParameter('Request body not specified or not valid JSON')
  }
}
