import { accountAnnotations, classAnnotations } from '#kubernetes/client'
import type { Run } from './reconciler.ts'
import { SyncError } from './sync-error.ts'

/**
 * The service account names the classes that may act as it: otherwise, a user who may edit a class could read with every account
 * of the namespace. Read at every check, so that a consent that was taken back counts at once. Throws {@link SyncError}.
 */
export async function checkConsent({ reconciler, wanted, sync, signal }: Run): Promise<void> {
  const account = { namespace: sync.metadata.namespace ?? '', name: sync.spec.serviceAccountName }
  const annotations = await reconciler.accounts.annotationsOf(account, signal)
  const { syncClasses } = accountAnnotations
  const names = (annotations[syncClasses] ?? '').split(',').map((name) => name.trim())
  const className = wanted.about.name ?? ''
  if (names.includes('*') || names.includes(className)) return
  const text =
    `Secret "${sync.metadata.name}" is not made: service account "${account.name}" does not allow it. It takes both annotations: ` +
    `${classAnnotations.syncServiceAccount}: "${account.name}" on SecretProviderClass "${className}" (there), and ` +
    `${syncClasses}: "${[...names, className].filter((name) => name !== '').join(',')}" on ServiceAccount "${account.name}" (missing) [sync-not-allowed]`
  throw new SyncError('SyncNotAllowed', text)
}
