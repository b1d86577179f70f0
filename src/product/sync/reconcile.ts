import { status as Code } from '@grpc/grpc-js'
import { type SecretProviderClass, type SecretSync, versionsAnnotation } from '#kubernetes/client'
import {
  changedAttribute,
  intervalAttribute,
  maxAgeAttribute,
  ProviderError,
  type StaleContent,
  serviceAccountAnnotationsAttribute,
} from '#kubernetes/provider-protocol'
import { errorMessage, SecretValue, timestamp } from '#lib'
import { applySecret } from './apply-secret.ts'
import { checkConsent } from './class-consent.ts'
import { checkIdentity } from './identity-check.ts'
import { providerMissing } from './provider-missing.ts'
import type { Reconciler, Run } from './reconciler.ts'
import { reportFailure, reportStarting, reportSuccess, staleSinceOf, versionsOf } from './report.ts'
import { secretData, type WantedData } from './secret-data.ts'
import { reservedKey } from './secret-marks.ts'
import type { AccountIdentity } from './service-accounts.ts'
import { SyncError } from './sync-error.ts'
import { syncHash } from './sync-hash.ts'
import type { Next } from './sync-queue.ts'

/** Reconciles one Secret once, from what is wanted to the Secret and the report. Rejects only when the signal aborts. */
export async function reconcile(reconciler: Reconciler, key: string, signal: AbortSignal): Promise<Next> {
  const wanted = reconciler.wanted(key)
  if (wanted === undefined) return 'asked'
  const { clock, metrics } = reconciler
  const run: Run = { reconciler, key, wanted, sync: wanted.sync, signal }
  const startedAt = clock.elapsed()
  try {
    const { stale } = await syncOnce(run)
    metrics.reconciled('success', '', clock.elapsed() - startedAt)
    return stale === undefined ? 'interval' : 'backoff'
  } catch (error) {
    // Losing the Lease, or the end of the process, is not the SecretSync's failure.
    signal.throwIfAborted()
    const failure = error instanceof SyncError ? error : internalError(error)
    metrics.reconciled('failure', failure.code, clock.elapsed() - startedAt)
    await reportFailure(run, failure)
    return failure.next
  }
}

async function syncOnce(run: Run): Promise<Read> {
  // The status is written while the provider reads: its conditions come later anyway.
  const [, read] = await Promise.allSettled([reportStarting(run), readOnce(run)])
  if (read.status === 'rejected') throw read.reason
  await writeOnce(run, read.value)
  return read.value
}

interface Read extends WantedData {
  secretClass: SecretProviderClass
  versions: Readonly<Record<string, string>>
  /** Since when, and why, it is not what the vault has now; undefined for fresh values. */
  stale: StaleContent | undefined
}

async function readOnce(run: Run): Promise<Read> {
  const { reconciler, sync, signal } = run
  refuseReservedKeys(sync)
  const secretClass = findClass(run)
  if (run.wanted.fromClass) await checkConsent(run)
  const { files, versions, stale } = await readFiles(run, secretClass)
  if (stale !== undefined) refuseOlder(run, stale)
  const { fromClass } = run.wanted
  const data = await secretData(sync, secretClass, files, reconciler.tls, { fromClass, signal })
  return { ...data, secretClass, versions, stale }
}

async function writeOnce(run: Run, read: Read): Promise<void> {
  const { reconciler, wanted, sync, signal } = run
  const { data, secretClass } = read
  const annotations = fallbackAnnotations(sync, read)
  // The first one is needed for certain, and takes as long as the Secret does.
  const isFirst = !wanted.fromClass && sync.status?.syncHash === undefined && !reconciler.isBusy()
  const [hash, applied] = await Promise.allSettled([
    isFirst ? syncHash(sync, secretClass, data) : undefined,
    // At every check, changed or not: that brings back a Secret or a key that was deleted by hand.
    applySecret(reconciler.kube, wanted, { data, annotations }, signal),
  ])
  if (applied.status === 'rejected') throw applied.reason
  const known = hash.status === 'fulfilled' ? hash.value : undefined
  await reportSuccess(run, { ...read, version: applied.value, hash: known })
}

/** The driver fills volumes from the Secret in an outage, and then reports these versions. */
function fallbackAnnotations(
  { metadata }: SecretSync,
  { secretClass, versions }: Read,
): Record<string, string> | undefined {
  const isFallback = secretClass.spec?.parameters?.fallbackSecretName === metadata.name
  return isFallback ? { [versionsAnnotation]: JSON.stringify(versions) } : undefined
}

/** The schema refuses them too; a cluster may have an older one. */
function refuseReservedKeys({ spec }: SecretSync): void {
  const { labels = {}, annotations = {} } = spec.secretObject
  const reserved = (key: string) => key.startsWith(reservedKey)
  const text = `${reservedKey} is reserved for use by the Secrets Store Sync Controller`
  const next = 'asked'
  if (Object.keys(labels).some(reserved))
    throw new SyncError('InvalidClusterSecretLabelError', `label ${text}`, { next })
  if (Object.keys(annotations).some(reserved))
    throw new SyncError('InvalidClusterSecretAnnotationError', `annotation ${text}`, { next })
}

/** The watch asks again when a class that is missing appears. */
function findClass({ reconciler, sync: { metadata, spec } }: Run): SecretProviderClass {
  const name = spec.secretProviderClassName
  const found = reconciler.classOf(metadata.namespace ?? '', name)
  if (found !== undefined) return found
  const text = (kind: string) =>
    `failed to get SecretProviderClass "${name}": ${kind}.secrets-store.csi.x-k8s.io "${name}" not found`
  throw new SyncError('SecretProviderClassMisconfigured', text('secretproviderclass'), {
    next: 'asked',
    notCreated: text('SecretProviderClass'),
  })
}

/**
 * Values from before an outage make a new Secret, and never replace newer ones. Of a Secret that a class asks for, it is not recorded
 * how old its values are.
 */
function refuseOlder({ wanted, sync }: Run, { since, reason }: StaleContent): void {
  const isWritten = Object.keys(versionsOf(sync)).length > 0
  const held = staleSinceOf(sync)
  const isOlder = isWritten && (held === undefined || since < held)
  if (!wanted.fromClass && !isOlder) return
  const cause = reason === '' ? '' : `, because ${reason}`
  const text = `the provider has only values of ${timestamp(since)}${cause}; the Secret is left as it is`
  throw new SyncError('ProviderError', `fetching secrets from the provider failed: ${text}`)
}

interface ProviderFiles {
  stale: StaleContent | undefined
  files: ReadonlyMap<string, SecretValue>
  versions: Readonly<Record<string, string>>
}

async function readFiles(run: Run, secretClass: SecretProviderClass): Promise<ProviderFiles> {
  const { reconciler, sync, signal } = run
  const { accounts, providers, metrics } = reconciler
  const provider = secretClass.spec?.provider ?? ''
  const account = { namespace: sync.metadata.namespace ?? '', name: sync.spec.serviceAccountName }
  const identity = await accounts.identityOf(account, signal)
  try {
    checkIdentity(secretClass, account, identity.annotations)
  } catch (error) {
    // The annotation may be there by the next try.
    accounts.forget(account)
    throw error
  }
  metrics.read()
  const request = {
    attributes: JSON.stringify({ ...attributesOf(run, secretClass, identity), ...maxAgeOf(run, secretClass) }),
    secrets: 'null',
    targetPath: '/mnt/secrets-store',
    permission: '420',
    currentObjectVersion: Object.entries(versionsOf(sync)).map(([id, version]) => ({ id, version })),
  }
  const response = await providers.mount(provider, request, { signal }).catch((error: unknown) => {
    if (!isOverload(error)) accounts.forget(account)
    throw providerFailure(reconciler, error, provider)
  })
  const code = response.error?.code ?? ''
  if (code !== '') throw new SyncError('ProviderError', `fetching secrets from the provider failed: ${code}`)
  return {
    stale: response.stale,
    files: new Map(response.files.map(({ path, contents }) => [path, SecretValue.of(contents)])),
    versions: Object.fromEntries(response.objectVersion.map(({ id, version }) => [id, version])),
  }
}

/** Attributes by which a caller describes a request: a class that could set them would have its reads go before those of others. */
const ofCallers: readonly string[] = [maxAgeAttribute, changedAttribute, intervalAttribute]

/** The parameters of the class, and what a driver would add for the pod; nothing in the class takes the place of the latter. */
function attributesOf(
  { reconciler: { pod }, sync }: Run,
  { metadata, spec }: SecretProviderClass,
  { tokens, annotations }: AccountIdentity,
): Record<string, string> {
  const parameters = Object.entries(spec?.parameters ?? {}).filter(([name]) => !ofCallers.includes(name))
  return {
    ...Object.fromEntries(parameters),
    'csi.storage.k8s.io/pod.name': pod.name,
    'csi.storage.k8s.io/pod.uid': pod.uid,
    'csi.storage.k8s.io/pod.namespace': sync.metadata.namespace ?? '',
    'csi.storage.k8s.io/serviceAccount.name': sync.spec.serviceAccountName,
    'csi.storage.k8s.io/serviceAccount.tokens': tokens.revealText(),
    [serviceAccountAnnotationsAttribute]: JSON.stringify(annotations),
    secretProviderClass: metadata.name ?? '',
  }
}

/** The provider has to read after the class asked for it: what it shares may be older. */
function maxAgeOf({ reconciler }: Run, { metadata }: SecretProviderClass): Record<string, string> {
  const askedAt = reconciler.askedAt(metadata.namespace ?? '', metadata.name ?? '')
  return askedAt === undefined ? {} : { [maxAgeAttribute]: String(reconciler.clock.elapsed() - askedAt) }
}

/** Nothing is wrong with the token then. Otherwise it may have been refused because its account is another one by now. */
function isOverload(error: unknown): boolean {
  const codes: readonly Code[] = [Code.UNAVAILABLE, Code.RESOURCE_EXHAUSTED, Code.DEADLINE_EXCEEDED]
  return error instanceof ProviderError && codes.includes(error.code)
}

function providerFailure({ providerDirectories }: Reconciler, cause: unknown, provider: string): unknown {
  if (!(cause instanceof ProviderError)) return cause
  if (cause.kind === 'not-found') {
    const text = providerMissing(provider, providerDirectories)
    return new SyncError('SecretProviderClassMisconfigured', text, { cause })
  }
  const code = cause.kind === 'invalid-name' ? 'SecretProviderClassMisconfigured' : 'ProviderError'
  return new SyncError(code, `fetching secrets from the provider failed: ${cause.message}`, { cause })
}

function internalError(error: unknown): SyncError {
  return new SyncError('ControllerSyncError', errorMessage(error), { cause: error })
}
