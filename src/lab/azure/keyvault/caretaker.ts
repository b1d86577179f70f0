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

export interface CaretakerOptions {
  stores: CertificateStores
  vaults: Vaults
  events: VaultEvents
  clock: Clock
  log: Log
}

/** Something that has to happen to the latest version of an object, at a time in seconds since the epoch. */
interface Duty {
  at: number
  run(): void | Promise<void>
}

/** Azure tells of an end that is this near. */
const nearExpirySeconds = 30 * 24 * 3600
/** Also when nothing is known to be due: objects come back from deletion, and timers have a largest delay. */
const longestRestMs = 3_600_000
/** Between two looks at everything: many objects may change at once. */
const shortestRestMs = 100
/** Before work that failed is tried again, for example when the disk is full. */
const retryMs = 10_000

/**
 * Does what falls due by itself: rotates keys, renews certificates, tells of ends that are near or have come. Sleeps until
 * the next duty, or until an object changes. What fell due while the process was down is done at its start, once.
 */
export function startCaretaker({ stores, vaults, events, clock, log }: CaretakerOptions): Running {
  const stopping = new AbortController()
  let alarm = new AbortController()
  /** What has been told, by version and kind: the duty stays due for ever. */
  const told = new Set<string>()
  const keys = keyKind(stores.keys)

  function notice(
    noun: ObjectNoun,
    kind: VaultEventKind,
    version: ObjectVersion<unknown>,
    at: number | undefined,
  ): Duty[] {
    const name = `${noun} ${kind} ${version.vault}/${version.name}/${version.version}/${version.exp}`
    if (at === undefined || told.has(name)) return []
    const run = () => {
      told.add(name)
      events.publish(noun, kind, version)
    }
    return [{ at, run }]
  }

  function ends(noun: ObjectNoun, version: ObjectVersion<unknown>, near: number | undefined): Duty[] {
    return [...notice(noun, 'NearExpiry', version, near), ...notice(noun, 'Expired', version, version.exp)]
  }

  function dutiesOfKey(version: ObjectVersion<Key>): Duty[] {
    const rotation = version.enabled && version.payload.managed !== true ? dueOf(version, 'Rotate') : undefined
    const rotate = async () => stores.keys.commit((await rotated(keys, version, nowSeconds())).changes)
    return [
      ...(rotation === undefined ? [] : [{ at: rotation, run: rotate }]),
      ...ends('Key', version, dueOf(version, 'Notify')),
    ]
  }

  function dutiesOfCertificate(version: ObjectVersion<Certificate>): Duty[] {
    const renewal = version.enabled ? renewalOf(version.payload.policy, version) : undefined
    const renew = async () => stores.certificates.commit((await renewed(stores, version, clock.now())).changes)
    return [
      ...(renewal === undefined ? [] : [{ at: renewal, run: renew }]),
      ...ends('Certificate', version, nearEnd(version)),
    ]
  }

  function duties(): Duty[] {
    return vaults.all().flatMap(({ uid }) => [
      ...stores.secrets.list(uid).flatMap((object) => {
        const latest = latestOf(object)
        return ends('Secret', latest, nearEnd(latest))
      }),
      ...stores.keys.list(uid).flatMap((object) => dutiesOfKey(latestOf(object))),
      ...stores.certificates.list(uid).flatMap((object) => dutiesOfCertificate(latestOf(object))),
    ])
  }

  const nowSeconds = () => Math.floor(clock.now() / 1000)

  async function discharge(): Promise<void> {
    for (const { at, run } of duties()) {
      if (at > nowSeconds() || stopping.signal.aborted) continue
      await run()
    }
  }

  /** Until the next duty, or until the alarm. */
  async function rest(): Promise<void> {
    const next = duties().reduce((soonest, { at }) => Math.min(soonest, at), Number.POSITIVE_INFINITY)
    const ms = Math.min(next * 1000 - clock.now(), longestRestMs)
    if (ms > 0) await pause(ms, AbortSignal.any([alarm.signal, stopping.signal]))
    await pause(shortestRestMs)
    alarm = new AbortController()
  }

  const pause = (ms: number, signal = stopping.signal) => sleep(ms, { clock, signal }).catch(() => undefined)

  async function work(): Promise<void> {
    while (!stopping.signal.aborted) {
      try {
        await discharge()
        await rest()
      } catch (error) {
        log.error({ err: error }, 'what fell due in a vault failed')
        await pause(retryMs)
      }
    }
  }

  const wake = () => alarm.abort()
  stores.secrets.onVersion(({ exp }) => exp !== undefined && wake())
  stores.keys.onVersion(({ exp, payload }) => (exp !== undefined || payload.rotationPolicy !== undefined) && wake())
  stores.certificates.onVersion(wake)
  const done = work()
  return {
    async stop() {
      stopping.abort()
      await done
    },
  }
}

function nearEnd({ exp }: ObjectVersion<unknown>): number | undefined {
  return exp === undefined ? undefined : exp - nearExpirySeconds
}
