import { type Clock, errorMessage, type Log, type Running, sleep, systemClock } from '#lib'
import type { KubeClient } from './kube-client.ts'
import { isConflict, isNotFound } from './kube-error.ts'
import type { Lease } from './objects.ts'
import { resources } from './resources.ts'

export interface LeadOptions {
  kube: KubeClient
  log: Log
  lease: { namespace: string; name: string }
  /** Who we are, and nobody else. */
  holder: string
  /** How long a leader that is not heard of any more stays one, in milliseconds. Default 15,000. */
  durationMs?: number
  /** Begins what the leader does. It is stopped before the lease is given up. */
  work(): Running
  /** Called once, when we did not manage to renew in time: somebody else may lead now, so the work must end at once. */
  onLost(): void
  clock?: Clock
}

export interface Leadership extends Running {
  leads(): boolean
}

/**
 * At most one leader: whoever holds the Lease and renews it. Another takes it when the holder gave it up, or when it did not
 * change for its whole duration as seen by our own clock, so that clocks of machines need not agree.
 * https://kubernetes.io/docs/concepts/architecture/leases/
 */
export function lead(options: LeadOptions): Leadership {
  const { kube, log, lease: ref, holder, durationMs = 15_000, work, onLost, clock = systemClock } = options
  const abort = new AbortController()
  const { signal } = abort
  /** The last foreign holder, and when we first saw the lease so. */
  let seen = { version: '', at: clock.elapsed() }
  /** What the leader does, while we lead. */
  let leading: Running | undefined
  let holding = false
  let stopping = false

  async function read(): Promise<Lease | undefined> {
    try {
      return await kube.get(resources.leases, ref)
    } catch (error) {
      if (isNotFound(error)) return undefined
      throw error
    }
  }

  function mayTake({ metadata, spec }: Lease): boolean {
    if (spec?.holderIdentity === holder || !spec?.holderIdentity) return true
    const version = metadata.resourceVersion ?? ''
    if (version !== seen.version) seen = { version, at: clock.elapsed() }
    return clock.elapsed() - seen.at >= (spec.leaseDurationSeconds ?? durationMs / 1000) * 1000
  }

  /** Whether the lease is ours now. Rejects when that could not be found out. */
  async function takeOrRenew(): Promise<boolean> {
    const before = await read()
    if (before !== undefined && !mayTake(before)) return false
    const now = microTime(clock.now())
    const kept = before?.spec?.holderIdentity === holder
    const lease: Lease = {
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: { ...before?.metadata, ...ref },
      spec: {
        holderIdentity: holder,
        leaseDurationSeconds: Math.max(Math.ceil(durationMs / 1000), 1),
        acquireTime: kept ? (before?.spec?.acquireTime ?? now) : now,
        renewTime: now,
        leaseTransitions: (before?.spec?.leaseTransitions ?? 0) + (kept || before === undefined ? 0 : 1),
      },
    }
    try {
      // With the version that was read, so that of two who try at once one fails.
      await (before === undefined ? kube.create(resources.leases, lease) : kube.replace(resources.leases, lease))
      return true
    } catch (error) {
      // Ours may have been labelled by somebody: that is no loss.
      if (isConflict(error) && !kept) return false
      throw error
    }
  }

  async function run(): Promise<void> {
    // Half of the duration for a renewal, with a try every quarter; whoever waits asks every quarter.
    const retryMs = durationMs / 4
    let renewedAt = clock.elapsed()
    while (!signal.aborted) {
      const ours = await takeOrRenew().catch((error: unknown) => {
        log.warn(
          { err: error, lease: ref.name },
          `the lease cannot be ${holding ? 'renewed' : 'taken'}: ${errorMessage(error)}`,
        )
        return undefined
      })
      if (ours === true) renewedAt = clock.elapsed()
      holding = ours ?? holding
      if (ours === true && leading === undefined && !stopping) {
        log.info({ lease: ref.name, holder }, 'leading')
        leading = work()
      }
      if (leading !== undefined && (ours === false || clock.elapsed() - renewedAt > durationMs - retryMs)) {
        log.error({ lease: ref.name, holder }, 'no longer leading')
        holding = false
        onLost()
        await leading.stop()
        leading = undefined
        return
      }
      await sleep(retryMs, { clock, signal }).catch(() => undefined)
    }
  }

  /** So that the next one need not wait for the end of our time. */
  async function giveUp(): Promise<void> {
    const lease = await read()
    if (lease?.spec?.holderIdentity !== holder) return
    await kube.replace(resources.leases, {
      ...lease,
      spec: { ...lease.spec, holderIdentity: '', leaseDurationSeconds: 1 },
    })
  }

  const running = run()
  return {
    leads: () => leading !== undefined,
    async stop() {
      stopping = true
      // The lease is renewed until the work has ended.
      await leading?.stop()
      abort.abort(new Error('stopped'))
      await running
      leading = undefined
      if (!holding) return
      holding = false
      await giveUp().catch((error: unknown) => log.warn({ err: error }, 'the lease could not be given up'))
    },
  }
}

/** RFC 3339 with microseconds, as Kubernetes' MicroTime wants it. */
function microTime(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, -1)}000Z`
}
