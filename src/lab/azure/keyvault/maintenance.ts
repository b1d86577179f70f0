import { type Clock, type Log, type Running, sleep } from '#lib'
import type { ObjectNoun, VaultEventKind, VaultEvents } from '../events/vault-events.ts'
import type { Certificate, CertificateStores } from './certificates/certificate-kind.ts'
import { renewalOf } from './certificates/lifetime.ts'
import { renewed } from './certificates/renew.ts'
import { type Key, keyKind } from './keys/key-kind.ts'
import { rotated } from './keys/rotation-operations.ts'
import { dueOf } from './keys/rotation-policy.ts'
import { latestOf } from './object-kind.ts'
import type { ObjectVersion } from './object-store.ts'
import type { Vaults } from './vaults.ts'

export interface MaintenanceOptions {
  stores: CertificateStores
  vaults: Vaults
  events: VaultEvents
  clock: Clock
  log: Log
}

/** Work on the latest version of an object that is due at a time, in seconds since the epoch. */
interface Task {
  dueAt: number
  run(): void | Promise<void>
}

interface State extends MaintenanceOptions {
  stopping: AbortController
  /** Aborted when an object changes: the next task may be due earlier. */
  changed: AbortController
  /** Keys of the events that were published: their tasks stay due forever. */
  published: Set<string>
}

/** Azure announces expiries this long before. */
const nearExpirySeconds = 30 * 24 * 3600
/** Longest wait for the next task: deleted objects can be recovered, and timers have a largest delay. */
const maxWaitMs = 3_600_000
/** Pause between two passes, because many objects may change at once. */
const minWaitMs = 100
/** Pause after a task failed, for example because the disk is full. */
const retryMs = 10_000

/**
 * Does what is due in vaults without a request: rotates keys, renews certificates, and publishes expiries that are near or
 * reached. Sleeps until the next task is due or an object changes. Tasks that became due while the process was down run once
 * at its start.
 */
export function startMaintenance(options: MaintenanceOptions): Running {
  const { stores } = options
  const state: State = {
    ...options,
    stopping: new AbortController(),
    changed: new AbortController(),
    published: new Set(),
  }
  const onChange = () => state.changed.abort()
  stores.secrets.onVersion(({ exp }) => exp !== undefined && onChange())
  stores.keys.onVersion(({ exp, payload }) => (exp !== undefined || payload.rotationPolicy !== undefined) && onChange())
  stores.certificates.onVersion(onChange)
  const done = work(state)
  return {
    async stop() {
      state.stopping.abort()
      await done
    },
  }
}

async function work(state: State): Promise<void> {
  while (!state.stopping.signal.aborted) {
    try {
      await runDueTasks(state)
      await waitForNextTask(state)
    } catch (error) {
      state.log.error({ err: error }, 'a scheduled task of a vault failed')
      await pause(state, retryMs)
    }
  }
}

async function runDueTasks(state: State): Promise<void> {
  for (const { dueAt, run } of tasksOf(state)) {
    if (dueAt > nowSeconds(state) || state.stopping.signal.aborted) continue
    await run()
  }
}

/** Waits until the next task is due, or an object changes. */
async function waitForNextTask(state: State): Promise<void> {
  const next = tasksOf(state).reduce((soonest, { dueAt }) => Math.min(soonest, dueAt), Number.POSITIVE_INFINITY)
  const ms = Math.min(next * 1000 - state.clock.now(), maxWaitMs)
  if (ms > 0) await pause(state, ms, AbortSignal.any([state.changed.signal, state.stopping.signal]))
  await pause(state, minWaitMs)
  state.changed = new AbortController()
}

function pause({ clock, stopping }: State, ms: number, signal = stopping.signal): Promise<void> {
  return sleep(ms, { clock, signal }).catch(() => undefined)
}

function nowSeconds({ clock }: State): number {
  return Math.floor(clock.now() / 1000)
}

/** Every task of every object, due or not. */
function tasksOf(state: State): Task[] {
  const { vaults, stores } = state
  return vaults
    .all()
    .flatMap(({ uid }) => [
      ...stores.secrets.list(uid).flatMap((object) => tasksOfSecret(state, latestOf(object))),
      ...stores.keys.list(uid).flatMap((object) => tasksOfKey(state, latestOf(object))),
      ...stores.certificates.list(uid).flatMap((object) => tasksOfCertificate(state, latestOf(object))),
    ])
}

function tasksOfSecret(state: State, version: ObjectVersion<unknown>): Task[] {
  return expiryEvents(state, 'Secret', version, nearExpiryOf(version))
}

function tasksOfKey(state: State, version: ObjectVersion<Key>): Task[] {
  const { keys } = state.stores
  const dueAt = version.enabled && version.payload.managed !== true ? dueOf(version, 'Rotate') : undefined
  const run = async () => keys.commit((await rotated(keyKind(keys), version, nowSeconds(state))).changes)
  const rotation = dueAt === undefined ? [] : [{ dueAt, run }]
  return [...rotation, ...expiryEvents(state, 'Key', version, dueOf(version, 'Notify'))]
}

function tasksOfCertificate(state: State, version: ObjectVersion<Certificate>): Task[] {
  const { stores, clock } = state
  const dueAt = version.enabled ? renewalOf(version.payload.policy, version) : undefined
  const run = async () => stores.certificates.commit((await renewed(stores, version, clock.now())).changes)
  const renewal = dueAt === undefined ? [] : [{ dueAt, run }]
  return [...renewal, ...expiryEvents(state, 'Certificate', version, nearExpiryOf(version))]
}

function nearExpiryOf({ exp }: ObjectVersion<unknown>): number | undefined {
  return exp === undefined ? undefined : exp - nearExpirySeconds
}

function expiryEvents(
  state: State,
  noun: ObjectNoun,
  version: ObjectVersion<unknown>,
  near: number | undefined,
): Task[] {
  return [...event(state, noun, 'NearExpiry', version, near), ...event(state, noun, 'Expired', version, version.exp)]
}

/** The task that publishes this event once. */
function event(
  { published, events }: State,
  noun: ObjectNoun,
  kind: VaultEventKind,
  version: ObjectVersion<unknown>,
  dueAt: number | undefined,
): Task[] {
  const key = `${noun} ${kind} ${version.vault}/${version.name}/${version.version}/${version.exp}`
  if (dueAt === undefined || published.has(key)) return []
  const run = () => {
    published.add(key)
    events.publish(noun, kind, version)
  }
  return [{ dueAt, run }]
}
