import type { JsonWebKey } from 'node:crypto'
import { createKubeClient, isForbidden, isNotFound, type KubeConfig, resources } from '#kubernetes/client'
import { listOf, parseJson, recordOf, valueAt } from '#lib/formats'
import { createReadCache } from './read-cache.ts'

export type TokenKey = JsonWebKey & { kid?: string }

/** What the provider reads from the cluster. It works without one, for classes that name their identity. */
export interface Cluster {
  /** Annotations of a service account; asked for at most once in a few seconds. Throws with words for the mount's error. */
  serviceAccountAnnotations(namespace: string, name: string): Promise<Record<string, string>>
  /** Keys with which the cluster signs service account tokens. */
  tokenKeys(): Promise<readonly TokenKey[]>
  stop(): void
}

export function createCluster(config: KubeConfig): Cluster {
  const kube = createKubeClient(config, { userAgent: 'keymount-provider' })
  const cache = createReadCache()

  async function read(namespace: string, name: string): Promise<Record<string, string>> {
    try {
      const { metadata } = await kube.get(resources.serviceAccounts, { namespace, name })
      return metadata.annotations ?? {}
    } catch (error) {
      if (isNotFound(error)) return {}
      if (isForbidden(error)) throw new Error('the provider has no right to get serviceaccounts (see deploy/)')
      throw error
    }
  }

  return {
    async serviceAccountAnnotations(namespace, name) {
      const answer = await cache.read(`${namespace}/${name}`, () => read(namespace, name), { sizeOf: () => 0 })
      return answer.value
    },
    async tokenKeys() {
      // The API server refuses a client that asks for plain JSON here. https://www.rfc-editor.org/rfc/rfc7517#section-8.5
      const headers = { accept: 'application/jwk-set+json' }
      const text = await kube.raw({ method: 'GET', path: '/openid/v1/jwks', headers })
      const keys = listOf(valueAt(parseJson('the key set', text), 'keys')) ?? []
      return keys.flatMap((key): TokenKey[] => (recordOf(key) === undefined ? [] : [key as TokenKey]))
    },
    stop() {
      cache.stop()
      kube.close()
    },
  }
}
