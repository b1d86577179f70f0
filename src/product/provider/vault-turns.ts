import { createFairGate, type FairGate } from '#lib/async'
import { providerLimits } from './provider-limits.ts'

/** Requests to each vault, bounded in number; namespaces take turns, and none takes more than its share. */
export interface VaultTurns {
  run<T>(origin: string, owner: string, request: () => Promise<T>): Promise<T>
}

export function createVaultTurns(): VaultTurns {
  const total = providerLimits.vaultRequests.value
  const perOwner = providerLimits.vaultRequestsOfNamespace.value
  /** Only of vaults that have requests now. */
  const gates = new Map<string, { gate: FairGate; users: number }>()
  return {
    async run(origin, owner, request) {
      const entry = gates.get(origin) ?? { gate: createFairGate({ total, perOwner }), users: 0 }
      gates.set(origin, entry)
      entry.users++
      try {
        return await entry.gate.run(owner, request)
      } finally {
        if (--entry.users === 0) gates.delete(origin)
      }
    },
  }
}
