import { type KubeEvent, type Pod, type SecretProviderClassPodStatus, statusAnnotations } from '#kubernetes/client'
import { driverName } from '#lab/home'
import { type AnyCode, codesIn } from '#product/error-catalogue'
import { classVolumes } from '../cluster/class-volumes.ts'
import { failureText, mountFailureText } from '../cluster/failure-text.ts'
import { type StepId, stepIds } from './step.ts'
import { stepOfCode } from './step-of-code.ts'

/** The last report of kubelet, driver or scheduler about a pod. */
export interface Report {
  step: StepId
  code: AnyCode
  text: string
  /** RFC 3339; empty if unknown. */
  at: string
  /** When it was last confirmed: of failures in a row, `at` is the first. Default: `at`. */
  lastAt?: string | undefined
  /** The class whose volume it is, where the report names the volume. */
  className?: string | undefined
  /** Whether the pod runs, with values from before an outage or of a fallback. */
  isStale?: boolean | undefined
}

/** The latest failure of each sort. A pod that runs has got past its mount, whatever older events report. */
export function reportsOf(
  pod: Pod,
  events: readonly KubeEvent[],
  statuses: readonly SecretProviderClassPodStatus[],
): Report[] {
  const isStarting = pod.status?.phase !== 'Running' && pod.status?.phase !== 'Succeeded'
  const mount = latest(events, 'FailedMount')
  const ofMount = mount === undefined || isMountedSince(mount, pod, statuses) ? undefined : mount
  const ofStart = isStarting ? [ofMount, latest(events, 'FailedScheduling')] : []
  const ofSecrets = latest(events, 'FailedToCreateSecret')
  return [
    ...ofStart.flatMap((event) => (event === undefined ? [] : eventReport(event, pod))),
    ...(ofSecrets === undefined ? [] : secretReport(ofSecrets, statuses)),
    ...statuses.flatMap(rotationReport),
    ...statuses.flatMap((status) => staleReport(status, events)),
  ]
}

/**
 * Whether the volume that the event is about has been mounted since; all volumes of the driver, where it names none. Times of events
 * have whole seconds, and a mount is not tried again within the second of its success.
 */
function isMountedSince(event: KubeEvent, pod: Pod, statuses: readonly SecretProviderClassPodStatus[]): boolean {
  const named = volumeNamed(event)
  const volumes = classVolumes(pod.spec).filter(({ volume }) => named === undefined || volume.name === named)
  const failed = Date.parse(timeOf(event))
  return (
    volumes.length > 0 &&
    volumes.every(({ className }) =>
      statuses.some((one) => one.status?.secretProviderClassName === className && lastSuccess(one) >= failed),
    )
  )
}

function volumeNamed({ message = '' }: KubeEvent): string | undefined {
  return /\bfor volume "([^"]+)"/.exec(message)?.[1]
}

/** The driver creates the status object after the first mount; a check that failed is annotated. */
function lastSuccess({ metadata }: SecretProviderClassPodStatus): number {
  const { annotations = {}, creationTimestamp = '' } = metadata
  const checked =
    annotations[statusAnnotations.lastFailure] === undefined ? annotations[statusAnnotations.lastCheck] : undefined
  return Math.max(...[creationTimestamp, checked ?? ''].map((time) => Date.parse(time) || 0))
}

export function timeOf({ lastTimestamp, eventTime, metadata }: KubeEvent): string {
  return lastTimestamp ?? eventTime ?? metadata.creationTimestamp ?? ''
}

function latest(events: readonly KubeEvent[], reason: string): KubeEvent | undefined {
  const found = events.filter((event) => event.reason === reason)
  return found.toSorted((a, b) => timeOf(a).localeCompare(timeOf(b))).at(-1)
}

function eventReport(event: KubeEvent, pod: Pod): Report[] {
  const { message = '', reason } = event
  const at = timeOf(event)
  if (reason === 'FailedScheduling') return [{ step: 'K3', code: 'pod-not-scheduled', text: message, at }]
  const [, driver] = /driver name (\S+) not found in the list of registered CSI drivers/.exec(message) ?? []
  if (driver !== undefined) {
    const code = driver === driverName ? 'driver-not-registered' : 'driver-name-wrong'
    return [{ step: stepOfCode[code], code, text: `kubelet does not know the driver ${driver}`, at }]
  }
  const named = volumeNamed(event)
  const className = classVolumes(pod.spec).find(({ volume }) => volume.name === named)?.className
  return firstOf(codesIn(message), { text: mountFailureText(message), at, className })
}

/** Of several codes, the one that comes first on the data path: the others may follow from it. */
function firstOf(codes: readonly AnyCode[], rest: Omit<Report, 'step' | 'code'>): Report[] {
  const ranked = codes.toSorted((a, b) => stepIds.indexOf(stepOfCode[a]) - stepIds.indexOf(stepOfCode[b]))
  const [code] = ranked
  return code === undefined ? [] : [{ step: stepOfCode[code], code, ...rest }]
}

/** Once the Secrets have been written after it, an event is history. */
function secretReport(event: KubeEvent, statuses: readonly SecretProviderClassPodStatus[]): Report[] {
  const at = timeOf(event)
  const text = event.message ?? ''
  const isForeign = /belongs to|is not managed|already exists|was not made|not ours/i.test(text)
  const isLate = statuses.some(({ metadata }) => (metadata.annotations?.[statusAnnotations.lastCheck] ?? '') > at)
  const code = isForeign ? 'secret-foreign' : 'secret-not-written'
  return isLate && !isForeign ? [] : [{ step: 'S1', code, text, at }]
}

function rotationReport({ metadata, status }: SecretProviderClassPodStatus): Report[] {
  const failure = metadata.annotations?.[statusAnnotations.lastFailure]
  if (failure === undefined) return []
  const since = metadata.annotations?.[statusAnnotations.failingSince] ?? ''
  const className = status?.secretProviderClassName
  const text = `rotation has failed since ${since || 'an unknown time'}, the old files stay: ${failureText(failure)}`
  const codes = codesIn(failure)
  const lastAt = metadata.annotations?.[statusAnnotations.lastCheck] ?? since
  return firstOf(codes.length === 0 ? ['rotation-failing'] : codes, { text, at: since, lastAt, className })
}

/** Of a pod that started during an outage: what the driver recorded in the event of its mount, at the step that did not answer. */
function staleReport({ metadata, status }: SecretProviderClassPodStatus, events: readonly KubeEvent[]): Report[] {
  const since = metadata.annotations?.[statusAnnotations.staleSince]
  if (since === undefined) return []
  const className = status?.secretProviderClassName
  const ofVolume = events.filter(({ message = '' }) => message.includes(`values of ${since}`))
  const event = latest(ofVolume, 'MountedStale') ?? latest(events, 'MountedStale')
  const [, cause = 'the vault or Entra did not answer'] =
    /, because (.*); they are read/s.exec(event?.message ?? '') ?? []
  const text = `class ${className}: the values are those of ${since}, because ${cause}; they are read again every 15 s`
  const rest = { text, at: '', className, isStale: true }
  const codes = codesIn(cause)
  return codes.length === 0 ? [{ step: 'V1', code: 'values-stale', ...rest }] : firstOf(codes, rest)
}
