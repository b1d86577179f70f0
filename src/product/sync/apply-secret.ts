import {
  isConflict,
  isForbidden,
  isNotFound,
  type KubeClient,
  KubeError,
  resources,
  type Secret,
} from '#kubernetes/client'
import { newSecret } from '#kubernetes/secret-data'
import { fieldManager, reservedKey } from './secret-marks.ts'
import { SyncError } from './sync-error.ts'
import type { SecretData } from './sync-hash.ts'
import type { Next } from './sync-queue.ts'
import type { Wanted } from './wanted.ts'

export interface SecretContent {
  data: SecretData
  /** Beside those of the SecretSync; undefined for none. */
  annotations: Readonly<Record<string, string>> | undefined
}

/**
 * Writes the Secret by server-side apply, without taking fields over: keys, labels and annotations of others survive, keys
 * that are no longer wanted go. It has one owner and is deleted with it. An apply that changes nothing costs the API server
 * no write. Throws {@link SyncError}.
 *
 * @returns the resource version of the Secret.
 */
export async function applySecret(
  kube: KubeClient,
  wanted: Wanted,
  { data, annotations }: SecretContent,
  signal: AbortSignal,
): Promise<string> {
  try {
    const written = await kube.apply(resources.secrets, secretOf(wanted, { data, annotations }), {
      fieldManager,
      force: false,
      signal,
    })
    return written.metadata.resourceVersion ?? ''
  } catch (error) {
    if (!(error instanceof KubeError)) throw error
    const text = `failed to patch secret "${wanted.sync.metadata.name}": ${reason(error)}`
    throw new SyncError('ControllerPatchError', text, { cause: error, next: nextAfter(error) })
  }
}

/** Kubernetes' texts for a namespace that is being deleted. */
const isTerminating = (error: KubeError) =>
  isNotFound(error) || (isForbidden(error) && /because it is being terminated/.test(error.serverMessage))

function nextAfter(error: KubeError): Next {
  if (isTerminating(error)) return 'asked'
  // Invalid, or a field that cannot change: only an edit, or deleting the Secret, makes it right.
  return error.status === 422 && !isNotOurs(error) ? 'interval' : 'backoff'
}

/** Two policies refuse the Secret of someone else, one as forbidden and one, as upstream's does, as invalid; either is reported. */
const isNotOurs = ({ serverMessage }: KubeError) =>
  /can only update secrets with a single|does not have the correct label/.test(serverMessage)

function secretOf({ sync: { metadata, spec }, owner }: Wanted, { data, annotations: own }: SecretContent): Secret {
  const { name = '', namespace = '' } = metadata
  const { type = 'Opaque', labels, annotations } = spec.secretObject
  return newSecret({
    namespace,
    name,
    type,
    labels: { ...labels, [reservedKey]: '' },
    annotations: annotations === undefined && own === undefined ? undefined : { ...annotations, ...own },
    owners: [owner],
    data,
  })
}

/** The API server's own text, then what to do about it. */
function reason(error: KubeError): string {
  const text = error.serverMessage
  if (isConflict(error))
    return `${text} (another field manager owns these fields; remove them there, or delete the Secret) [secret-conflict]`
  if (isTerminating(error)) return `${text} [namespace-terminating]`
  if (error.status === 422 && text.includes(' type: ') && text.includes('immutable'))
    return `${text} (Kubernetes does not change the type of a Secret: delete the Secret, and it is made again at the next check) [secret-type-changed]`
  if (isNotOurs(error))
    return `${text} (the Secret exists and was not made for this: delete it or choose another name; one that the driver made for secretObjects of a class is removed there first) [secret-not-ours]`
  return text
}
