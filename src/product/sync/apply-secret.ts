import {
  isConflict,
  isForbidden,
  isNotFound,
  type KubeClient,
  KubeError,
  resources,
  type Secret,
} from '#kubernetes/client'
import { fieldManager, reservedKey, type SecretSync } from './secret-sync.ts'
import { SyncError } from './sync-error.ts'
import type { SecretData } from './sync-hash.ts'

/**
 * Writes the Secret by server-side apply, without taking fields over: keys, labels and annotations of others survive, keys
 * that the SecretSync no longer names go. It has one owner, the SecretSync, and is deleted with it. An apply that changes
 * nothing costs the API server no write. Throws {@link SyncError}.
 *
 * @returns whether anything changed.
 */
export async function applySecret(
  kube: KubeClient,
  sync: SecretSync,
  data: SecretData,
  signal: AbortSignal,
): Promise<{ version: string }> {
  try {
    const written = await kube.apply(resources.secrets, secretOf(sync, data), { fieldManager, force: false, signal })
    return { version: written.metadata.resourceVersion ?? '' }
  } catch (error) {
    if (!(error instanceof KubeError)) throw error
    const retryable = !isForbidden(error) && error.status !== 422
    throw new SyncError('ControllerPatchError', `failed to patch secret "${sync.metadata.name}": ${reason(error)}`, {
      cause: error,
      retryable,
    })
  }
}

function secretOf({ metadata, spec }: SecretSync, data: SecretData): Secret {
  const { name = '', namespace = '', uid = '' } = metadata
  const { type = 'Opaque', labels, annotations } = spec.secretObject
  const owner = { apiVersion: 'secret-sync.x-k8s.io/v1alpha1', kind: 'SecretSync', name, uid }
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: {
      name,
      namespace,
      labels: { ...labels, [reservedKey]: '' },
      ...(annotations === undefined ? {} : { annotations }),
      ownerReferences: [owner],
    },
    type,
    data: Object.fromEntries([...data].map(([key, value]) => [key, Buffer.from(value.reveal()).toString('base64')])),
  }
}

/** The API server's own text, then what to do about it. */
function reason(error: KubeError): string {
  const text = error.serverMessage
  if (isConflict(error)) {
    return `${text} (another field manager owns these fields; remove them there, or delete the Secret) [secret-conflict]`
  }
  if (isNotFound(error)) return `${text} [namespace-terminating]`
  if (isForbidden(error) && /only update secrets with a single|single secretsync owner/.test(text)) {
    return `${text} (the Secret exists and was not made for this SecretSync: delete it or rename the SecretSync; one that secretObjects of a class made goes when they are removed there) [secret-not-ours]`
  }
  return text
}
