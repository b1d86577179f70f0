import { type Cloud, type Credential, createAcquireToken, createTokenSource } from '#azure/identity'
import type { Clock, SecretValue } from '#lib'
import { createRetryingSend, type HttpSend } from '#lib/http'

/** Where tokens come from: Entra, the az CLI, a test. */
export interface AzureTokens {
  /** @param resource for whom, without `/.default`, for example `https://management.azure.com`. */
  get(resource: string, signal?: AbortSignal): Promise<SecretValue>
}

/** The source shares tokens between callers of one key; here there is one caller. */
const onlyIdentity = 'self'

export interface EntraTokensOptions {
  cloud: Cloud
  /** Who asks: always the same identity. Called each time, because its proof may be a file that is renewed. */
  credential: () => Promise<Credential>
  /** Reaches Entra, without retries of its own. */
  send: HttpSend
  /** Reaches the services of the node (IMDS), never through a proxy. Default: `send`. */
  sendOnNode?: HttpSend | undefined
  /** Default `http://169.254.169.254`. */
  imdsEndpoint?: string | undefined
  clock?: Clock | undefined
}

/**
 * Tokens of one identity from Entra or from the instance metadata service, held for ten minutes at most. Rejects with
 * `IdentityError`, whose message names what would be right.
 */
export function createEntraTokens(options: EntraTokensOptions): AzureTokens {
  const { cloud, credential, send, sendOnNode = send, imdsEndpoint, clock } = options
  const acquire = createAcquireToken({ send: createRetryingSend({ send, clock }), sendOnNode, imdsEndpoint, clock })
  const source = createTokenSource({ acquire, clock })
  return {
    async get(resource, signal) {
      const { token } = await source.get(onlyIdentity, await credential(), { cloud, resource, signal })
      return token
    },
  }
}
