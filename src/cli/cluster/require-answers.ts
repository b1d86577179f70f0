import { type KubeClient, KubeError, type TransportRequest } from '#kubernetes/client'

/** Rejects with what went wrong if the API server gives no answers, or none to this user: whatever is asked next would fail alike. */
export async function requireAnswers(
  kube: KubeClient,
  options: Pick<TransportRequest, 'timeoutMs' | 'signal'> = {},
): Promise<void> {
  try {
    await kube.raw({ method: 'GET', path: '/version', ...options })
  } catch (error) {
    // A server that refuses or lacks this path answers.
    const isAnswer = error instanceof KubeError && error.status >= 400 && error.status < 500 && error.status !== 401
    if (!isAnswer) throw error
  }
}
