import { type IssuedToken, isForbidden, isNotFound, type KubeClient, resources } from '#kubernetes/client'
import { type Clock, errorMessage, SecretValue } from '#lib'
import { SyncError } from './sync-error.ts'

/** As the admission policy demands. */
const expirationSeconds = 600

/** A token is used for so long; the API server's own answer to a deleted account is found by then. */
const holdMs = 8 * 60_000

/** Accounts whose tokens are held; the oldest goes first. */
const maxAccounts = 5000

export interface AccountRef {
  namespace: string
  name: string
}

/** What a provider needs of a service account to act as it. */
export interface AccountIdentity {
  /** As kubelet gives them to a driver: a JSON object, audience to token. */
  tokens: SecretValue
  /** They may name the client and tenant. Empty where the controller may not read accounts. */
  annotations: Readonly<Record<string, string>>
}

export interface ServiceAccounts {
  /** One token request per audience; the answer is held for {@link holdMs}. Throws {@link SyncError}. */
  identityOf(account: AccountRef, signal: AbortSignal): Promise<AccountIdentity>
  /** As they are now. Throws {@link SyncError}. */
  annotationsOf(account: AccountRef, signal: AbortSignal): Promise<Readonly<Record<string, string>>>
  /** Not to be used again: the account was refused somewhere. */
  forget(account: AccountRef): void
}

export interface ServiceAccountsOptions {
  kube: KubeClient
  audiences: readonly string[]
  clock: Clock
}

export function createServiceAccounts({ kube, audiences, clock }: ServiceAccountsOptions): ServiceAccounts {
  const held = new Map<string, { identity: AccountIdentity; at: number }>()
  const request = async (account: AccountRef, signal: AbortSignal): Promise<AccountIdentity> => {
    const [annotations, ...tokens] = await Promise.all([
      readAnnotations(kube, account, signal).catch((error: unknown) => {
        // A role of an earlier chart: the class has to name the identity.
        if (isForbidden(error)) return {}
        throw failure(account, error, 'cannot be read')
      }),
      ...audiences.map((audience) => requestToken(kube, account, audience, signal)),
    ])
    return { annotations, tokens: SecretValue.of(JSON.stringify(Object.fromEntries(tokens))) }
  }
  return {
    async identityOf(account, signal) {
      const key = `${account.namespace}/${account.name}`
      const found = held.get(key)
      if (found !== undefined && clock.elapsed() - found.at < holdMs) return found.identity
      const at = clock.elapsed()
      const identity = await request(account, signal)
      held.delete(key)
      held.set(key, { identity, at })
      if (held.size > maxAccounts) held.delete(held.keys().next().value ?? '')
      return identity
    },
    async annotationsOf(account, signal) {
      try {
        return await readAnnotations(kube, account, signal)
      } catch (error) {
        throw failure(account, error, 'cannot be read')
      }
    },
    forget: ({ namespace, name }) => void held.delete(`${namespace}/${name}`),
  }
}

async function readAnnotations(
  kube: KubeClient,
  account: AccountRef,
  signal: AbortSignal,
): Promise<Readonly<Record<string, string>>> {
  const { metadata } = await kube.get(resources.serviceAccounts, account, { signal })
  return metadata.annotations ?? {}
}

async function requestToken(
  kube: KubeClient,
  account: AccountRef,
  audience: string,
  signal: AbortSignal,
): Promise<[string, IssuedToken]> {
  try {
    return [audience, await kube.createToken(account, { audiences: [audience], expirationSeconds }, { signal })]
  } catch (error) {
    if (!isForbidden(error)) throw failure(account, error, 'gives no token')
    const { namespace, name } = account
    const text = `no token for service account "${name}" in namespace "${namespace}": ${errorMessage(error)}; allow the audience "${audience}" in the controller's --token-request-audience and its admission policy [token-forbidden]`
    throw new SyncError('ControllerSyncError', text, { cause: error })
  }
}

function failure({ namespace, name }: AccountRef, error: unknown, what: string): SyncError {
  const text = isNotFound(error)
    ? `service account "${name}" does not exist in namespace "${namespace}" [service-account-missing]`
    : `service account "${name}" in namespace "${namespace}" ${what}: ${errorMessage(error)} [token-unavailable]`
  return new SyncError('ControllerSyncError', text, { cause: error })
}
