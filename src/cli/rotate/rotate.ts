import { setTimeout as delay } from 'node:timers/promises'
import {
  classAnnotations,
  isNotFound,
  type KubeClient,
  resources,
  type SecretProviderClassPodStatus,
  statusAnnotations,
} from '#kubernetes/client'
import { parseDuration } from '#lib/formats'
import { CliError, type CliWorld, createTerminal, exitCodes, type Terminal } from '#terminal'
import { withCluster } from '../cluster/open-cluster.ts'
import type { ClusterOption } from '../options.ts'

export interface RotateCommand {
  className: string
  /** Default: the one of the kubeconfig's context. */
  namespace: string | undefined
  cluster: ClusterOption
  /** Go duration. */
  timeout: string
  json: boolean
  world: CliWorld
}

/** What became of one mounted volume. */
export interface VolumeOutcome {
  pod: string
  outcome: 'changed' | 'unchanged' | 'failed' | 'gone' | 'no answer'
  /** Why it failed or did not answer. */
  reason: string | null
}

const pollMs = 300

/**
 * Makes every mounted volume of a class look its values up now, and tells for each pod what came of it. Exit status 0 when
 * all of them did, 1 when one failed or did not answer in time.
 */
export async function rotate(command: RotateCommand): Promise<number> {
  const { className, timeout, json, cluster, world } = command
  const terminal = createTerminal(world)
  return withCluster(cluster, world, async ({ kube, config }) => {
    const ref = { namespace: command.namespace ?? config.namespace, name: className }
    const before = await volumesOf(kube, ref)
    const request = await setRequest(kube, ref)
    const deadline = performance.now() + (parseDuration(timeout) ?? 0)
    const outcomes = await outcomesOf(before, {
      look: () => volumesOf(kube, ref),
      request,
      isOver: () => performance.now() > deadline,
      signal: world.signal,
    })
    if (json) terminal.line(JSON.stringify({ ...ref, request, volumes: outcomes }, null, 2))
    else print(ref, outcomes, terminal)
    return outcomes.some(({ outcome }) => outcome === 'failed' || outcome === 'no answer')
      ? exitCodes.failed
      : exitCodes.ok
  })
}

interface ClassRef {
  namespace: string
  name: string
}

async function volumesOf(
  kube: KubeClient,
  { namespace, name }: ClassRef,
): Promise<readonly SecretProviderClassPodStatus[]> {
  const { items } = await kube.list(resources.secretProviderClassPodStatuses, { namespace })
  return items.filter(({ status }) => status?.secretProviderClassName === name)
}

/** Gives the value that the status objects will name. */
async function setRequest(kube: KubeClient, ref: ClassRef): Promise<string> {
  const request = new Date().toISOString()
  try {
    const annotations = { [classAnnotations.rotate]: request }
    await kube.patch(resources.secretProviderClasses, ref, { metadata: { annotations } })
    return request
  } catch (error) {
    if (!isNotFound(error)) throw error
    throw new CliError({
      what: `There is no SecretProviderClass "${ref.name}" in namespace "${ref.namespace}"`,
      fix: ['name its namespace: -n NAMESPACE', 'see all of them: kubectl get secretproviderclasses -A'],
      cause: error,
    })
  }
}

interface Waiting {
  look: () => Promise<readonly SecretProviderClassPodStatus[]>
  request: string
  isOver: () => boolean
  signal: AbortSignal
}

async function outcomesOf(
  before: readonly SecretProviderClassPodStatus[],
  { look, request, isOver, signal }: Waiting,
): Promise<VolumeOutcome[]> {
  for (;;) {
    const now = new Map((await look()).map((object) => [object.metadata.uid, object]))
    const outcomes = before.map((object) => outcomeOf(object, now.get(object.metadata.uid), request))
    const isWaiting = before.some((object, i) => outcomes[i]?.outcome === 'no answer' && rotates(object))
    if (!isWaiting || isOver()) return outcomes
    await delay(pollMs, undefined, { signal })
  }
}

/** Whether its driver rotates: one that does says when it will look next. */
function rotates({ metadata }: SecretProviderClassPodStatus): boolean {
  return metadata.annotations?.[statusAnnotations.nextCheck] !== undefined
}

function outcomeOf(
  before: SecretProviderClassPodStatus,
  now: SecretProviderClassPodStatus | undefined,
  request: string,
): VolumeOutcome {
  const pod = before.status?.podName ?? before.metadata.name ?? ''
  if (now === undefined) return { pod, outcome: 'gone', reason: null }
  const annotations = now.metadata.annotations ?? {}
  if (annotations[statusAnnotations.rotatedFor] !== request)
    return { pod, outcome: 'no answer', reason: silence(before) }
  const failure = annotations[statusAnnotations.lastFailure]
  if (failure !== undefined) return { pod, outcome: 'failed', reason: failure }
  const changedAt = ({ metadata }: SecretProviderClassPodStatus) => metadata.annotations?.[statusAnnotations.lastChange]
  return { pod, outcome: changedAt(before) === changedAt(now) ? 'unchanged' : 'changed', reason: null }
}

function silence(object: SecretProviderClassPodStatus): string {
  if (!rotates(object)) return 'its driver does not rotate: install it with enableSecretRotation=true'
  return 'its driver may have just started, and waits for the pod’s tokens; it looks as soon as it has them'
}

function print({ namespace, name }: ClassRef, outcomes: readonly VolumeOutcome[], { line, style }: Terminal): void {
  if (outcomes.length === 0) line(`No pod has the class ${namespace}/${name} mounted: there is nothing to rotate.`)
  const texts: Record<VolumeOutcome['outcome'], string> = {
    changed: 'new content',
    unchanged: 'looked up, nothing new',
    failed: 'failed, the old files stay',
    gone: 'gone meanwhile',
    'no answer': 'no answer yet',
  }
  for (const { pod, outcome, reason } of outcomes) {
    const mark = outcome === 'failed' || outcome === 'no answer' ? style.bad('✗') : style.good('✓')
    line(`${mark} ${namespace}/${pod}: ${texts[outcome]}${reason === null ? '' : `: ${reason}`}`)
  }
}
