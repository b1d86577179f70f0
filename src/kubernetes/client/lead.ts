import { type Clock, errorMessage, type Log, type Running, sleep, systemClock } from '#lib'
import type { KubeClient } from './kube-client.ts'
import { ifFound, isConflict } from './kube-error.ts'
import type { Lease } from './objects.ts'
import { resources } from './resources.ts'

export interface LeadOptions {
  kube: KubeClient
  log: Log
  lease: { namespace: string; name: string }
  /** Identifies this replica, and no other. */
  holder: string
  /** How long a leader that does not renew keeps the others waiting, in milliseconds. Default 15,000. */
  durationMs?: number | undefined
  /** Begins what the leader does. It is stopped before the lease is released. */
  work(): Running
  /** Called once, when the lease was not renewed in time: another replica may lead soon, so the work must end at once. */
  onLost(): void
  clock?: Clock | undefined
}

export interface Leadership extends Running {
  /** Whether this replica may act as the leader at this moment. */
  leads(): boolean
}

/** One replica that takes part in the election. */
interface Candidate {
  readonly options: LeadOptions
  readonly clock: Clock
  readonly durationMs: number
  /** The pause between attempts, and the longest time for one call. */
  readonly retryMs: number
  /** A leader that has not renewed for this long stops: some time before others may take the lease. */
  readonly deadlineMs: number
  readonly signal: AbortSignal
  /** The lease as another holder wrote it last, and when we first saw it so. */
  foreign: { version: string; since: number }
  /** The lease as we wrote it last; undefined when it has to be read first. */
  own: Lease | undefined
  /** While this replica leads. */
  leadership: { work: Running; renewedAt: number; cancelDeadline(): void } | undefined
  /** The end of the work, after the lease was lost. */
  loss: Promise<void> | undefined
  /** Whether the server may have us as the holder. */
  mayHold: boolean
  stopping: boolean
}

/**
 * At most one leader: the replica that holds the Lease and renews it. Another takes it when the holder released it, or when
 * it did not change for its whole duration. All spans are measured by each replica's own monotonic clock, so neither
 * differing wall clocks nor steps of them matter.
 * https://kubernetes.io/docs/concepts/architecture/leases/
 */
export function lead(options: LeadOptions): Leadership {
  const { durationMs = 15_000, clock = systemClock } = options
  const abort = new AbortController()
  const candidate: Candidate = {
    options,
    clock,
    durationMs,
    retryMs: durationMs / 4,
    deadlineMs: (durationMs * 3) / 4,
    signal: abort.signal,
    foreign: { version: '', since: clock.elapsed() },
    own: undefined,
    leadership: undefined,
    loss: undefined,
    mayHold: false,
    stopping: false,
  }
  const running = run(candidate)
  return {
    leads: () => leads(candidate),
    async stop() {
      candidate.stopping = true
      // The lease is renewed until the work has ended.
      await candidate.leadership?.work.stop()
      abort.abort(new Error('stopped'))
      await running
      candidate.leadership?.cancelDeadline()
      candidate.leadership = undefined
      await release(candidate)
    },
  }
}

function leads({ leadership, clock, deadlineMs }: Candidate): boolean {
  // A process that was suspended sees its deadline late.
  return leadership !== undefined && clock.elapsed() - leadership.renewedAt < deadlineMs
}

async function run(candidate: Candidate): Promise<void> {
  const { clock, signal, retryMs } = candidate
  while (!signal.aborted && candidate.loss === undefined) {
    await attempt(candidate)
    await sleep(retryMs, { clock, signal }).catch(() => undefined)
  }
  await candidate.loss
}

async function attempt(candidate: Candidate): Promise<void> {
  const { options, clock } = candidate
  // From before the call: the server cannot have stored the lease earlier, and others count from when it was stored.
  const startedAt = clock.elapsed()
  try {
    const ours = await takeOrRenew(candidate)
    if (ours) renewed(candidate, startedAt)
    else lose(candidate)
  } catch (error) {
    candidate.own = undefined
    const verb = candidate.leadership === undefined ? 'taken' : 'renewed'
    options.log.warn({ err: error, lease: options.lease.name }, `the lease was not ${verb}: ${errorMessage(error)}`)
  }
}

function renewed(candidate: Candidate, startedAt: number): void {
  const { options, clock, deadlineMs, stopping, loss } = candidate
  const remaining = startedAt + deadlineMs - clock.elapsed()
  // An answer that took too long gives no time to work in.
  if (loss !== undefined || remaining <= 0) return
  if (candidate.leadership === undefined) {
    if (stopping) return
    options.log.info({ lease: options.lease.name, holder: options.holder }, 'leading')
    candidate.leadership = { work: options.work(), renewedAt: startedAt, cancelDeadline: () => undefined }
  }
  candidate.leadership.cancelDeadline()
  candidate.leadership.renewedAt = startedAt
  candidate.leadership.cancelDeadline = clock.after(remaining, () => lose(candidate))
}

/** Ends the work of a leader, whatever calls are still waiting for an answer. */
function lose(candidate: Candidate): void {
  const { leadership, options } = candidate
  if (leadership === undefined) return
  const { lease, holder, log, onLost } = options
  leadership.cancelDeadline()
  candidate.leadership = undefined
  log.error({ lease: lease.name, holder }, 'no longer leading')
  onLost()
  candidate.loss = leadership.work.stop()
}

/** Whether the lease is ours now. Rejects when that could not be found out. */
async function takeOrRenew(candidate: Candidate): Promise<boolean> {
  const { options, retryMs: timeoutMs } = candidate
  const { kube, holder } = options
  const { own } = candidate
  const before = own ?? (await read(candidate))
  if (before !== undefined && !mayTake(candidate, before)) {
    candidate.mayHold = false
    return false
  }
  const lease = nextLease(candidate, before)
  candidate.own = undefined
  candidate.mayHold = true
  try {
    // With the version that was read, so that of two replicas that try at once one fails.
    candidate.own = await (before === undefined
      ? kube.create(resources.leases, lease, { timeoutMs })
      : kube.replace(resources.leases, lease, { timeoutMs }))
    return true
  } catch (error) {
    if (!isConflict(error)) throw error
    // Ours may have got a label in the meantime, or another holder.
    if (own !== undefined) return takeOrRenew(candidate)
    if (before?.spec?.holderIdentity === holder) throw error
    return false
  }
}

function read({ options, retryMs: timeoutMs }: Candidate): Promise<Lease | undefined> {
  return ifFound(options.kube.get(resources.leases, options.lease, { timeoutMs }))
}

function mayTake(candidate: Candidate, { metadata, spec }: Lease): boolean {
  const { options, clock, durationMs } = candidate
  if (!spec?.holderIdentity || spec.holderIdentity === options.holder) return true
  const version = metadata.resourceVersion ?? ''
  if (version !== candidate.foreign.version) candidate.foreign = { version, since: clock.elapsed() }
  return clock.elapsed() - candidate.foreign.since >= (spec.leaseDurationSeconds ?? durationMs / 1000) * 1000
}

function nextLease({ options, clock, durationMs }: Candidate, before: Lease | undefined): Lease {
  const { lease: ref, holder } = options
  const now = microTime(clock.now())
  const kept = before?.spec?.holderIdentity === holder
  return {
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
}

/** So that the next leader need not wait until the lease runs out. */
async function release(candidate: Candidate): Promise<void> {
  const { options, retryMs: timeoutMs } = candidate
  if (!candidate.mayHold) return
  candidate.mayHold = false
  try {
    const lease = await read(candidate)
    if (lease?.spec?.holderIdentity !== options.holder) return
    const spec = { ...lease.spec, holderIdentity: '', leaseDurationSeconds: 1 }
    await options.kube.replace(resources.leases, { ...lease, spec }, { timeoutMs })
  } catch (error) {
    options.log.warn({ err: error, lease: options.lease.name }, 'the lease was not released')
  }
}

/** RFC 3339 with microseconds, the format of Kubernetes' MicroTime. */
function microTime(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, -1)}000Z`
}
