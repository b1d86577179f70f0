import { type KubeClient, KubeError, type Pod, resources } from '#kubernetes/client'
import { sleep } from '#lib'
import { until } from '../support/eventually.ts'

/** What came of the pods that were created since the stream began, or since the last phase. */
export interface StreamCount {
  admitted: number
  /** The webhook refused a pod, or a pod was admitted without the expected changes. */
  refused: string[]
  /** The API server got no answer of a webhook. */
  unanswered: Unanswered[]
  /** There was no API server to ask. */
  unreached: number
}

/** An attempt that failed between the API server and a webhook. */
export interface Unanswered {
  /** When the attempt began, by `performance.now()`. */
  began: number
  /** The error of the API server. */
  text: string
}

export interface PodStream {
  /** How many attempts are on their way at once. */
  readonly workers: number
  /** Counts from here on, and gives what was counted before. */
  phase(): StreamCount
  /** Resolves when so many more have been admitted. */
  untilAdmitted(more: number): Promise<void>
  stop(): Promise<StreamCount>
}

/**
 * Creates pods without end, and without running them: a dry run goes through admission like any other. Each worker has one
 * kind of pod, and tries again after a failure as controllers do.
 */
export function streamOfPods(kube: KubeClient, kinds: readonly Pod[]): PodStream {
  const nothing = (): StreamCount => ({ admitted: 0, refused: [], unanswered: [], unreached: 0 })
  let count = nothing()
  let stopped = false
  const workers = kinds.map(async (kind) => {
    while (!stopped) {
      const began = performance.now()
      try {
        const pod = await kube.create(resources.pods, kind, { dryRun: true })
        if (hasToken(pod)) count.admitted++
        else count.refused.push('a pod was created without its token')
        // Leaves the machine to what is tested: still some fifty a second.
        await sleep(20)
      } catch (error) {
        judge(error, began, count)
        await sleep(50)
      }
    }
  })
  const phase = () => {
    const before = count
    count = nothing()
    return before
  }
  return {
    workers: workers.length,
    phase,
    async untilAdmitted(more) {
      const { admitted } = count
      await until(`${more} more pods`, async () => count.admitted >= admitted + more || undefined)
    },
    async stop() {
      stopped = true
      await Promise.all(workers)
      return phase()
    },
  }
}

function hasToken({ spec }: Pod): boolean {
  const volumes = new Set((spec.volumes ?? []).map(({ name }) => name))
  const mounts = spec.containers[0]?.volumeMounts ?? []
  return mounts.some(({ name }) => name.startsWith('azure-workload-identity-reserved-') && volumes.has(name))
}

/** https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/#failure-policy */
function judge(error: unknown, began: number, count: StreamCount): void {
  const text = String(error)
  if (text.includes('failed calling webhook')) count.unanswered.push({ began, text })
  else if (error instanceof KubeError && (error.status === 0 || error.status >= 500)) count.unreached++
  else count.refused.push(text)
}
