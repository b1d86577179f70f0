import {
  type EventRecorder,
  type KubeClient,
  KubeError,
  type ObjectReference,
  type SecretProviderClass,
} from '#kubernetes/client'
import { type ProviderClient, ProviderError } from '#kubernetes/provider-protocol'
import type { TlsValues } from '#kubernetes/secret-data'
import { type Clock, errorMessage, type Log, SecretValue, timestamp } from '#lib'
import { parseJson } from '#lib/formats'
import { applySecret } from './apply-secret.ts'
import { failureConditions, initialConditions, successConditions } from './conditions.ts'
import { secretData } from './secret-data.ts'
import { reservedKey, type SecretSync, secretSyncs, syncAnnotations } from './secret-sync.ts'
import type { ServiceAccountTokens } from './service-account-tokens.ts'
import { SyncError } from './sync-error.ts'
import { type SecretData, syncHash } from './sync-hash.ts'
import type { SyncMetrics } from './sync-metrics.ts'

/** What a reconcile works with. */
export interface Reconciler {
  kube: KubeClient
  providers: ProviderClient
  tokens: ServiceAccountTokens
  tls: TlsValues
  /** From the watches; undefined when it is not there. */
  syncOf(key: string): SecretSync | undefined
  classOf(namespace: string, name: string): SecretProviderClass | undefined
  digest(sync: SecretSync, secretClass: SecretProviderClass, data: SecretData): string
  /** Of the last successful sync of each SecretSync, by its uid. */
  last: Map<string, { digest: string; version: string }>
  /** Our own pod, whose name providers log. */
  pod: { name: string; uid: string }
  /** Ours; a SecretSync that names another is left alone. */
  controllerName: string
  nextCheck(key: string): number | undefined
  events: EventRecorder
  metrics: SyncMetrics
  clock: Clock
  log: Log
}

/** Reconciles one SecretSync once, from its spec to its Secret and its status. Rejects with {@link SyncError} when it is to be tried again. */
export async function reconcile(reconciler: Reconciler, key: string, signal: AbortSignal): Promise<void> {
  const found = reconciler.syncOf(key)
  if (found === undefined || isOthers(reconciler, found)) return
  // What was watched stays as it came.
  const sync = { ...found, metadata: { ...found.metadata } }
  const startedAt = performance.now()
  try {
    await reportStarting(reconciler, sync, signal)
    refuseReservedKeys(sync)
    const secretClass = findClass(reconciler, sync)
    const { files, versions } = await readFiles(reconciler, sync, secretClass, signal)
    const data = await secretData(sync, files, reconciler.tls, signal)
    const changed = await writeSecret(reconciler, sync, secretClass, data, signal)
    await reportSuccess(reconciler, sync, { secretClass, data, versions, changed }, signal)
    reconciler.metrics.reconciled('success', '', performance.now() - startedAt)
  } catch (error) {
    // Losing the Lease, or the end of the process, is not the SecretSync's failure.
    signal.throwIfAborted()
    const failure = error instanceof SyncError ? error : internalError(error)
    reconciler.metrics.reconciled('failure', failure.code, performance.now() - startedAt)
    await reportFailure(reconciler, sync, failure, signal)
    throw failure
  }
}

function isOthers({ controllerName }: Reconciler, { spec, metadata }: SecretSync): boolean {
  const named = spec.secretSyncControllerName ?? ''
  return metadata.deletionTimestamp !== undefined || (named !== '' && named !== controllerName)
}

async function reportStarting({ kube, clock }: Reconciler, sync: SecretSync, signal: AbortSignal): Promise<void> {
  if ((sync.status?.conditions?.length ?? 0) >= 2) return
  sync.status = { ...sync.status, conditions: initialConditions(sync, clock.now()) }
  await writeStatus(kube, sync, signal)
}

/** The schema refuses them too; a cluster may have an older one. */
function refuseReservedKeys({ spec }: SecretSync): void {
  const { labels = {}, annotations = {} } = spec.secretObject
  const reserved = (key: string) => key.startsWith(reservedKey)
  const label = Object.keys(labels).find(reserved)
  const annotation = Object.keys(annotations).find(reserved)
  const text = `${reservedKey} is reserved for use by the Secrets Store Sync Controller`
  if (label !== undefined) throw new SyncError('InvalidClusterSecretLabelError', `label ${text}`)
  if (annotation !== undefined) throw new SyncError('InvalidClusterSecretAnnotationError', `annotation ${text}`)
}

function findClass({ classOf }: Reconciler, { metadata, spec }: SecretSync): SecretProviderClass {
  const name = spec.secretProviderClassName
  const found = classOf(metadata.namespace ?? '', name)
  if (found !== undefined) return found
  const missing = `secretproviderclass.secrets-store.csi.x-k8s.io "${name}" not found`
  throw new SyncError('SecretProviderClassMisconfigured', `failed to get SecretProviderClass "${name}": ${missing}`)
}

interface ProviderFiles {
  files: ReadonlyMap<string, SecretValue>
  versions: Readonly<Record<string, string>>
}

async function readFiles(
  reconciler: Reconciler,
  sync: SecretSync,
  secretClass: SecretProviderClass,
  signal: AbortSignal,
): Promise<ProviderFiles> {
  const { tokens, providers, pod, metrics } = reconciler
  const { namespace = '' } = sync.metadata
  const { provider = '', parameters = {} } = secretClass.spec ?? {}
  const account = { namespace, name: sync.spec.serviceAccountName }
  const attributes = {
    ...parameters,
    'csi.storage.k8s.io/pod.name': pod.name,
    'csi.storage.k8s.io/pod.uid': pod.uid,
    'csi.storage.k8s.io/pod.namespace': namespace,
    'csi.storage.k8s.io/serviceAccount.name': account.name,
    'csi.storage.k8s.io/serviceAccount.tokens': (await tokens.get(account, signal)).revealText(),
    secretProviderClass: secretClass.metadata.name ?? '',
  }
  const request = {
    attributes: JSON.stringify(attributes),
    secrets: '{}',
    targetPath: '/mnt/secrets-store',
    permission: '420',
    currentObjectVersion: Object.entries(versionsOf(sync)).map(([id, version]) => ({ id, version })),
  }
  metrics.read()
  const response = await providers.mount(provider, request, { signal }).catch((error: unknown) => {
    // A token may have been refused because its account is another one by now.
    tokens.forget(account)
    throw providerFailure(error, provider)
  })
  if ((response.error?.code ?? '') !== '') {
    throw new SyncError('ProviderError', `fetching secrets from the provider failed: ${response.error?.code}`, {
      retryable: true,
    })
  }
  return {
    files: new Map(response.files.map(({ path, contents }) => [path, SecretValue.of(contents)])),
    versions: Object.fromEntries(response.objectVersion.map(({ id, version }) => [id, version])),
  }
}

function providerFailure(error: unknown, provider: string): unknown {
  if (!(error instanceof ProviderError)) return error
  if (error.kind !== 'rpc') {
    const text = `no provider "${provider}" answers: ${error.message} [provider-missing]`
    return new SyncError('SecretProviderClassMisconfigured', text, { cause: error, retryable: true })
  }
  const text = `fetching secrets from the provider failed: ${error.message}`
  return new SyncError('ProviderError', text, { cause: error, retryable: true })
}

/** Applied at every check: that brings back a Secret that was deleted or edited by hand. Whether anything changed. */
async function writeSecret(
  { kube, digest, last }: Reconciler,
  sync: SecretSync,
  secretClass: SecretProviderClass,
  data: SecretData,
  signal: AbortSignal,
): Promise<boolean> {
  const uid = sync.metadata.uid ?? ''
  const before = last.get(uid)
  const now = digest(sync, secretClass, data)
  const { version } = await applySecret(kube, sync, data, signal)
  last.set(uid, { digest: now, version })
  return before?.digest !== now || before.version !== version
}

interface Outcome {
  secretClass: SecretProviderClass
  data: SecretData
  versions: Readonly<Record<string, string>>
  changed: boolean
}

/** The status is written when it changed; the time of the last check is an annotation, written with it. */
async function reportSuccess(
  reconciler: Reconciler,
  sync: SecretSync,
  { secretClass, data, versions, changed }: Outcome,
  signal: AbortSignal,
): Promise<void> {
  const { kube, clock, events, log } = reconciler
  const conditions = successConditions(sync, clock.now())
  const isNews = changed || JSON.stringify(conditions) !== JSON.stringify(sync.status?.conditions)
  if (!isNews) return
  const hash = await syncHash(sync, secretClass, data)
  const isNewContent = hash !== sync.status?.syncHash
  const now = timestamp(clock.now())
  sync.status = {
    conditions,
    syncHash: hash,
    lastSuccessfulSyncTime: isNewContent ? now : (sync.status?.lastSuccessfulSyncTime ?? now),
  }
  await writeStatus(kube, sync, signal)
  await annotate(
    reconciler,
    sync,
    { [syncAnnotations.lastFailure]: null, ...(isNewContent ? { [syncAnnotations.lastChange]: now } : {}) },
    versions,
    signal,
  )
  if (!isNewContent) return
  log.info({ secretSync: keyOf(sync), keys: [...data.keys()] }, 'wrote the Secret')
  await events.record(
    referenceTo(sync),
    'Normal',
    'Synced',
    `wrote Secret "${sync.metadata.name}" with ${[...data.keys()].join(', ')}`,
  )
}

async function reportFailure(
  reconciler: Reconciler,
  sync: SecretSync,
  failure: SyncError,
  signal: AbortSignal,
): Promise<void> {
  const { kube, clock, events, log } = reconciler
  log.warn({ secretSync: keyOf(sync), reason: failure.code }, failure.message)
  const conditions = failureConditions(sync, clock.now(), failure)
  const isNews = JSON.stringify(conditions) !== JSON.stringify(sync.status?.conditions)
  try {
    if (isNews) {
      sync.status = { ...sync.status, conditions }
      await writeStatus(kube, sync, signal)
      await annotate(reconciler, sync, { [syncAnnotations.lastFailure]: timestamp(clock.now()) }, undefined, signal)
    }
    await events.record(referenceTo(sync), 'Warning', failure.code, failure.message)
  } catch (error) {
    // The next try reports it.
    log.warn({ secretSync: keyOf(sync), err: error }, 'the status could not be written')
  }
}

async function writeStatus(kube: KubeClient, sync: SecretSync, signal: AbortSignal): Promise<void> {
  const { name = '', namespace = '', uid } = sync.metadata
  // The uid is a precondition: a SecretSync that was made again in between has a status of its own.
  const patch = { metadata: { uid }, status: sync.status }
  await kube.patch(secretSyncs, { name, namespace }, patch, { subresource: 'status', signal })
}

async function annotate(
  { kube, clock, nextCheck }: Reconciler,
  sync: SecretSync,
  annotations: Record<string, string | null>,
  versions: Readonly<Record<string, string>> | undefined,
  signal: AbortSignal,
): Promise<void> {
  const { name = '', namespace = '', uid } = sync.metadata
  const next = nextCheck(keyOf(sync))
  const all = {
    ...annotations,
    [syncAnnotations.lastCheck]: timestamp(clock.now()),
    ...(next === undefined ? {} : { [syncAnnotations.nextCheck]: timestamp(next) }),
    ...(versions === undefined ? {} : { [syncAnnotations.versions]: JSON.stringify(versions) }),
  }
  await kube.patch(secretSyncs, { name, namespace }, { metadata: { uid, annotations: all } }, { signal })
}

function versionsOf({ metadata }: SecretSync): Record<string, string> {
  try {
    const found = parseJson('the annotation', metadata.annotations?.[syncAnnotations.versions] ?? '{}')
    return Object.fromEntries(
      Object.entries(found ?? {}).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
    )
  } catch {
    return {}
  }
}

function internalError(error: unknown): SyncError {
  const retryable = !(error instanceof KubeError) || error.status !== 404
  return new SyncError('ControllerSyncError', errorMessage(error), { cause: error, retryable })
}

export function keyOf({ metadata }: SecretSync): string {
  return `${metadata.namespace ?? ''}/${metadata.name ?? ''}`
}

function referenceTo({ metadata }: SecretSync): ObjectReference {
  const { name = '', namespace = '', uid = '' } = metadata
  return { apiVersion: 'secret-sync.x-k8s.io/v1alpha1', kind: 'SecretSync', name, namespace, uid }
}
