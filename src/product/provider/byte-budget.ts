import { beyondLimit, withUnit } from '#lib'
import { MountError } from './mount-error.ts'
import { providerLimits } from './provider-limits.ts'

/** Bytes of the answers that the provider puts together, each of one mount and all of them at once. */
export interface ByteBudget {
  open(): MountBytes
}

/** The share of one mount. */
export interface MountBytes {
  /** Throws {@link MountError} when the mount has become too large, also for the calls that follow. */
  add(bytes: number): void
  /** Gives everything back. */
  release(): void
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
  let all = 0
  return {
    open() {
      let own = 0
      return {
        add(bytes) {
          own += bytes
          all += bytes
          if (own > perMount)
            throw new MountError('mount-too-large', beyondLimit(providerLimits.mountBytes, own, perMount))
          if (all > total) {
            const text = `answers of mounts in progress have ${withUnit(total, 'bytes')} together (${providerLimits.answerBytes.flag} raises it); try again`
            throw new MountError('provider-busy', text, { retryable: true })
          }
        },
        release() {
          all -= own
          own = 0
        },
      }
    },
  }
}
