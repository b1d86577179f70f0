import { CodedError } from '#lib'
import type { HttpSend } from '#lib/http'

/** What a run may touch in a subscription. Everything else is refused before it is sent. */
export interface Fence {
  subscriptionId: string
  /** Resource groups that the run made, or that it has recognised as left over from an earlier run. */
  groups: Set<string>
  /** Vaults of those groups; their contents may be changed, and they may be purged. */
  vaults: Set<string>
  /** Requests that are left. Each costs at most what Key Vault asks for 10,000 of them: 0.03 USD. */
  requests: number
}

/** Resource types of which a run makes any. Each of them costs nothing by itself. */
const types = [
  'Microsoft.KeyVault/vaults',
  'Microsoft.ManagedIdentity/userAssignedIdentities',
  'Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials',
  'Microsoft.Authorization/roleAssignments',
]

class FenceError extends CodedError<'OutsideOfFence' | 'TooManyRequests'> {}

/** Sends what is within the fence. */
export function guard(send: HttpSend, fence: Fence): HttpSend {
  return async (request) => {
    const { method = 'GET', url } = request
    if (fence.requests <= 0) throw new FenceError('TooManyRequests', 'the run has sent as many requests as it may')
    fence.requests--
    if (!isAllowed(method, url, fence)) {
      throw new FenceError(
        'OutsideOfFence',
        `not sent, because it is outside of what a run may touch: ${method} ${url.host}${url.pathname}`,
      )
    }
    return send(request)
  }
}

function isAllowed(method: string, url: URL, fence: Fence): boolean {
  if (url.protocol !== 'https:') return false
  const [vault = '', ...domain] = url.hostname.split('.')
  if (domain.join('.') === 'vault.azure.net') return fence.vaults.has(vault)
  if (url.hostname !== 'management.azure.com') return false
  const path = url.pathname.toLowerCase()
  const subscription = `/subscriptions/${fence.subscriptionId.toLowerCase()}`
  if (path !== subscription && !path.startsWith(`${subscription}/`)) return false
  if (method === 'GET') return true
  const purged = /^\/providers\/microsoft\.keyvault\/locations\/[a-z0-9]+\/deletedvaults\/([a-z0-9-]+)\/purge$/
  const purge = purged.exec(path.slice(subscription.length))
  if (purge !== null) return method === 'POST' && fence.vaults.has(purge[1] ?? '')
  const group = [...fence.groups].find((name) => isBelow(path, `${subscription}/resourcegroups/${name.toLowerCase()}`))
  if (group === undefined) return false
  return method === 'DELETE' || isOfAllowedType(path, `${subscription}/resourcegroups/${group.toLowerCase()}`)
}

function isBelow(path: string, root: string): boolean {
  return path === root || path.startsWith(`${root}/`)
}

/** A group itself, or a resource whose type is on the list: `…/providers/NAMESPACE/TYPE/NAME[/TYPE/NAME]`, of the last provider. */
function isOfAllowedType(path: string, group: string): boolean {
  if (path === group) return true
  const [namespace = '', ...segments] = path.slice(path.lastIndexOf('/providers/') + '/providers/'.length).split('/')
  const type = [namespace, ...segments.filter((_, index) => index % 2 === 0)].join('/')
  return types.some((each) => each.toLowerCase() === type)
}
