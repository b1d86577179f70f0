import { type SecretProviderClassPodStatus, statusAnnotations } from '#kubernetes/client'
import { poll } from '#lib/async'

/** The result of a rotation for one mounted volume. */
export interface VolumeOutcome {
  pod: string
  outcome: 'changed' | 'unchanged' | 'failed' | 'gone' | 'no answer'
  /** Why it failed or did not answer. */
  reason: string | null
  /** Its objects, with their versions before and after; null where there was no such version. */
  objects: ObjectVersions[]
}

export interface ObjectVersions {
  id: string
  before: string | null
  after: string | null
}

export interface Waiting {
  read: () => Promise<readonly SecretProviderClassPodStatus[]>
  /** What the status objects are to name. */
  request: string
  timeoutMs: number
  signal: AbortSignal
}

const pollMs = 300

/** Waits until every volume has acted on the request, or the time is up. */
export async function waitForOutcomes(
  before: readonly SecretProviderClassPodStatus[],
  { read, request, timeoutMs, signal }: Waiting,
): Promise<VolumeOutcome[]> {
  let outcomes: VolumeOutcome[] = []
  const ask = async () => {
    const now = new Map((await read()).map((object) => [object.metadata.uid, object]))
    outcomes = before.map((object) => outcomeOf(object, now.get(object.metadata.uid), request))
    const isWaiting = before.some((object, i) => outcomes[i]?.outcome === 'no answer' && isRotating(object))
    return isWaiting ? undefined : outcomes
  }
  return poll(ask, { everyMs: pollMs, withinMs: timeoutMs, late: () => outcomes, signal })
}

/** Whether the driver of the volume rotates: it then has the time of its next check. */
function isRotating({ metadata }: SecretProviderClassPodStatus): boolean {
  return metadata.annotations?.[statusAnnotations.nextCheck] !== undefined
}

function outcomeOf(
  before: SecretProviderClassPodStatus,
  now: SecretProviderClassPodStatus | undefined,
  request: string,
): VolumeOutcome {
  const pod = before.status?.podName ?? before.metadata.name ?? ''
  if (now === undefined) return { pod, outcome: 'gone', reason: null, objects: [] }
  const objects = compareVersions(before, now)
  const annotations = now.metadata.annotations ?? {}
  if (annotations[statusAnnotations.rotatedFor] !== request) {
    return { pod, outcome: 'no answer', reason: reasonForSilence(before), objects }
  }
  const failure = annotations[statusAnnotations.lastFailure]
  if (failure !== undefined) return { pod, outcome: 'failed', reason: failure, objects }
  const changedAt = ({ metadata }: SecretProviderClassPodStatus) => metadata.annotations?.[statusAnnotations.lastChange]
  const isChanged = changedAt(before) !== changedAt(now) || objects.some((object) => object.before !== object.after)
  return { pod, outcome: isChanged ? 'changed' : 'unchanged', reason: null, objects }
}

function compareVersions(before: SecretProviderClassPodStatus, now: SecretProviderClassPodStatus): ObjectVersions[] {
  const versions = ({ status }: SecretProviderClassPodStatus) =>
    new Map((status?.objects ?? []).map(({ id = '', version = '' }) => [id, version]))
  const [old, current] = [versions(before), versions(now)]
  return [...new Set([...old.keys(), ...current.keys()])].map((id) => ({
    id,
    before: old.get(id) ?? null,
    after: current.get(id) ?? null,
  }))
}

function reasonForSilence(object: SecretProviderClassPodStatus): string {
  if (!isRotating(object)) return 'its driver does not rotate: install it with enableSecretRotation=true'
  return 'its driver may have just started, and waits for a token of the pod from kubelet; it then reads the values at once'
}
