import type { CallOptions, KubeClient } from '#kubernetes/client'

/** The same client, whose reads end after `timeoutMs` or with the signal: one slow answer does not hold up the others. */
export function withDeadlines(
  kube: KubeClient,
  limits: Required<Pick<CallOptions, 'signal' | 'timeoutMs'>>,
): KubeClient {
  return {
    ...kube,
    get: (resource, ref, options = {}) => kube.get(resource, ref, { ...limits, ...options }),
    list: (resource, options = {}) => kube.list(resource, { ...limits, ...options }),
    raw: (request) => kube.raw({ ...limits, ...request }),
  }
}
