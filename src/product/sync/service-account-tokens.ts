import { isForbidden, isNotFound, type KubeClient, type ServiceAccountToken } from '#kubernetes/client'
import { type Clock, errorMessage, SecretValue } from '#lib'
import { SyncError } from './sync-error.ts'

/** As the admission policy demands. */
const expirationSeconds = 600

/** A token is used for so long; the API server's own answer to a deleted account is found by then. */
const holdMs = 8 * 60_000

/** Accounts whose tokens are held; the oldest goes first. */
const maxAccounts = 5000

export interface ServiceAccountTokens {
  /**
   * Tokens of an account as kubelet gives them to a driver: a JSON object, audience to token. One request per audience.
   * Throws {@link SyncError}.
   */
  get(account: { namespace: string; name: string }, signal: AbortSignal): Promise<SecretValue>
  /** Not to be used again: the account was refused somewhere. */
  forget(account: { namespace: string; name: string }): void
}

export interface ServiceAccountTokensOptions {
  kube: KubeClient
  audiences: readonly string[]
  clock: Clock
}

export function createServiceAccountTokens({
  kube,
  audiences,
  clock,
}: ServiceAccountTokensOptions): ServiceAccountTokens {
  const held = new Map<string, { tokens: SecretValue; at: number }>()
  return {
    async get(account, signal) {
      const key = `${account.namespace}/${account.name}`
      const found = held.get(key)
      if (found !== undefined && clock.elapsed() - found.at < holdMs) return found.tokens
      const at = clock.elapsed()
      const tokens = await Promise.all(audiences.map((audience) => requestToken(kube, account, audience, signal)))
      const value = SecretValue.of(JSON.stringify(Object.fromEntries(tokens)))
      held.delete(key)
      held.set(key, { tokens: value, at })
      if (held.size > maxAccounts) held.delete(held.keys().next().value ?? '')
      return value
    },
    forget: ({ namespace, name }) => void held.delete(`${namespace}/${name}`),
  }
}

async function requestToken(
  kube: KubeClient,
  account: { namespace: string; name: string },
  audience: string,
  signal: AbortSignal,
): Promise<[string, ServiceAccountToken]> {
  try {
    return [audience, await kube.createToken(account, { audiences: [audience], expirationSeconds }, { signal })]
  } catch (error) {
    const { namespace, name } = account
    const what = isNotFound(error)
      ? `service account "${name}" does not exist in namespace "${namespace}" [service-account-missing]`
      : isForbidden(error)
        ? `no token for service account "${name}" in namespace "${namespace}": ${errorMessage(error)}; allow the audience "${audience}" in the controller's --token-request-audience and its admission policy [token-forbidden]`
        : `no token for service account "${name}" in namespace "${namespace}": ${errorMessage(error)} [token-unavailable]`
    throw new SyncError('ControllerSyncError', what, { cause: error, retryable: true })
  }
}
