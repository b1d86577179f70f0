import { type Clock, systemClock } from '#lib'
import { createFairGate, type FairGate } from '#lib/async'
import { providerLimits } from './provider-limits.ts'

/** Requests to each vault, bounded in number; namespaces take turns, and none takes more than its share. */
export interface VaultTurns {
  run<T>(origin: string, owner: string, request: () => Promise<T>): Promise<T>
}

export function createVaultTurns(): VaultTurns {
  const { vaultRequests, vaultRequestsOfNamespace } = providerLimits
  const gates = createGates({ total: vaultRequests.value, perOwner: vaultRequestsOfNamespace.value })
  return { run: (origin, owner, request) => gates(origin, (gate) => gate.run(owner, request)) }
}

/**
 * Reads of the ticks of rotation, which are not urgent: a few at once for each vault, so that a tick opens few connections and takes
 * little CPU at once. A read that has waited for some seconds waits no longer: a slow vault must not make mounts late.
 */
export function createTickTurns({ clock = systemClock }: { clock?: Clock | undefined } = {}): VaultTurns {
  const { tickReads, tickWaitMs } = providerLimits
  const gates = createGates({ total: tickReads.value, perOwner: tickReads.value })
  return {
    async run(origin, owner, read) {
      const enough = new AbortController()
      const cancel = clock.after(tickWaitMs.value, () => enough.abort())
      let isStarted = false
      const start = () => {
        isStarted = true
        return read()
      }
      try {
        return await gates(origin, (gate) => gate.run(owner, start, enough.signal))
      } catch (error) {
        if (isStarted || !enough.signal.aborted) throw error
        return await read()
      } finally {
        cancel()
      }
    },
  }
}

/** One gate for each vault, while it has users. */
function createGates(limits: { total: number; perOwner: number }) {
  const gates = new Map<string, { gate: FairGate; users: number }>()
  return async <T>(origin: string, use: (gate: FairGate) => Promise<T>): Promise<T> => {
    const entry = gates.get(origin) ?? { gate: createFairGate(limits), users: 0 }
    gates.set(origin, entry)
    entry.users++
    try {
      return await use(entry.gate)
    } finally {
      if (--entry.users === 0) gates.delete(origin)
    }
  }
}
