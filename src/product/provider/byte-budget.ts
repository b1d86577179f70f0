import { beyondLimit, withUnit } from '#lib'
import { createFairBudget, type FairBudget } from '#lib/async'
import { MountError } from './mount-error.ts'
import { providerLimits } from './provider-limits.ts'

/** Bytes of the answers that the provider puts together, each of one mount and all of them at once. */
export interface ByteBudget {
  /** @param namespace of the pod. */
  open(namespace: string): MountBytes
}

/** Bytes that are in memory for an answer. */
export interface CountedBytes {
  /** Throws {@link MountError} when the mount has become too large, or too much is in progress. Counts nothing after `release`. */
  add(bytes: number): void
  /** Gives everything back. */
  release(): void
}

/** The share of one mount. */
export interface MountBytes extends CountedBytes {
  /** Bytes that count as those of the mount, and can be given back before it ends. */
  part(): CountedBytes
}

export interface ByteBudgetOptions {
  /** Default: see `providerLimits`. */
  perMount?: number | undefined
  total?: number | undefined
}

export function createByteBudget({
  perMount = providerLimits.mountBytes.value,
  total = providerLimits.answerBytes.value,
}: ByteBudgetOptions = {}): ByteBudget {
  const all = createFairBudget(total)
  return { open: (namespace) => openMount({ all, perMount, total }, namespace) }
}

function openMount(limits: { all: FairBudget; perMount: number; total: number }, namespace: string): MountBytes {
  const { all, perMount, total } = limits
  let own = 0
  const whole = counted({
    take(bytes) {
      if (own + bytes > perMount)
        throw new MountError('mount-too-large', beyondLimit(providerLimits.mountBytes, own + bytes, perMount))
      if (!all.hasRoom(namespace, bytes)) {
        const text = `answers of mounts in progress have ${withUnit(total, 'bytes')} together (${providerLimits.answerBytes.flag} raises it); try again`
        throw new MountError('provider-busy', text, { retryable: true })
      }
      own += bytes
      all.add(namespace, bytes)
    },
    give() {
      all.add(namespace, -own)
      own = 0
    },
  })
  const giveBack = (bytes: number) => {
    if (own === 0) return
    own -= bytes
    all.add(namespace, -bytes)
  }
  return { ...whole, part: () => counted({ take: whole.add, give: giveBack }) }
}

function counted({ take, give }: { take(bytes: number): void; give(bytes: number): void }): CountedBytes {
  let own = 0
  let isReleased = false
  return {
    add(bytes) {
      if (isReleased) return
      take(bytes)
      own += bytes
    },
    release() {
      if (!isReleased) give(own)
      isReleased = true
    },
  }
}
