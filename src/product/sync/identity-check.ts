import { clientIdAnnotation } from '#azure/identity'
import type { SecretProviderClass } from '#kubernetes/client'
import type { AccountRef } from './service-accounts.ts'
import { SyncError } from './sync-error.ts'

/**
 * Refuses classes that sign in by what only a pod has. What the provider would answer is about pods, and pod identity would
 * look for a pod of the controller's name. Throws {@link SyncError}.
 */
export function checkIdentity(
  { metadata, spec }: SecretProviderClass,
  account: AccountRef,
  annotations: Readonly<Record<string, string>>,
): void {
  const { provider, parameters = {} } = spec ?? {}
  if (provider !== 'azure') return
  const isTrue = (name: string) => /^(1|t|true)$/i.test(parameters[name]?.trim() ?? '')
  const hasClient = [parameters.clientID, annotations[clientIdAnnotation]].some((id) => (id ?? '').trim() !== '')
  if (!isTrue('usePodIdentity') && (hasClient || isTrue('useVMManagedIdentity'))) return
  const found = isTrue('usePodIdentity') ? 'has usePodIdentity' : 'has no clientID'
  const text =
    `class "${metadata.name}" ${found}, and a Secret without a pod is read by workload identity only: set the parameter clientID, or the annotation ` +
    `${clientIdAnnotation} of service account "${account.name}", to an identity that trusts the account (keymount identity serviceaccount create) [workload-identity-only]`
  throw new SyncError('ControllerSyncError', text)
}
