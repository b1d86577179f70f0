import type { Vault } from '#azure/keyvault'
import type { MountSpec } from './mount-spec.ts'
import { providerLimits } from './provider-limits.ts'

/** Opens connections to a vault that is about to be asked, as far as the share of the namespace allows. */
export type PrepareConnections = (vault: Vault, count: number, namespace: string) => void

/**
 * While a mount signs in, the connections that its reads take are opened: two waits become one. Only those to the first vault that the class
 * names, because whether the identity is accepted is not known yet.
 */
export function prepareVault(
  { prepare }: { prepare?: PrepareConnections | undefined },
  { objects, selects, values, pod }: Pick<MountSpec, 'objects' | 'selects' | 'values' | 'pod'>,
  vaultOf: (name: string) => Vault,
): void {
  const [first, ...others] = [...objects, ...selects].map(({ vaultName }) => vaultOf(vaultName ?? values.keyvaultName))
  if (first === undefined) return
  const reads = 1 + others.filter(({ origin }) => origin === first.origin).length
  prepare?.(first, Math.min(reads, providerLimits.preparedConnectionsOfNamespace.value), pod.namespace)
}
