import { type IssuedToken, type KubeClient, type Pod, resources } from '#kubernetes/client'
import type { Clock } from '#lib'

export interface PodTokens {
  /** A token of the pod's service account, bound to the pod. The empty audience is the API server. */
  get(pod: Pod, audience: string, expirationSeconds: number): Promise<IssuedToken>
  /** Forgets a pod that is gone. */
  forget(podUid: string): void
}

/** kubelet renews a token after 80 % of its life, or after a day. */
const freshShare = 0.8
const longestUseMs = 24 * 3_600_000

/** Tokens by pod, audience and lifetime, asked for again when they grow old, as kubelet's token manager does. */
export function createPodTokens(kube: KubeClient, clock: Clock): PodTokens {
  const held = new Map<string, { request: Promise<IssuedToken>; podUid: string; renewAt: number }>()
  return {
    async get(pod, audience, expirationSeconds) {
      const { name: podName = '', namespace = '', uid = '' } = pod.metadata
      const name = pod.spec.serviceAccountName ?? 'default'
      const key = JSON.stringify([uid, namespace, name, audience, expirationSeconds])
      const known = held.get(key)
      if (known !== undefined && clock.now() < known.renewAt) return known.request
      const startedAt = clock.now()
      const request = kube.createToken(
        { name, namespace },
        {
          audiences: audience === '' ? [] : [audience],
          expirationSeconds,
          boundObjectRef: { kind: resources.pods.kind, apiVersion: 'v1', name: podName, uid },
        },
      )
      const entry = { request, podUid: uid, renewAt: Number.POSITIVE_INFINITY }
      held.set(key, entry)
      try {
        const life = Date.parse((await request).expirationTimestamp) - startedAt
        entry.renewAt = startedAt + Math.min(life * freshShare, longestUseMs)
        return await request
      } catch (error) {
        held.delete(key)
        throw error
      }
    },
    forget(podUid) {
      for (const [key, entry] of held) if (entry.podUid === podUid) held.delete(key)
    },
  }
}
