import {
  classAnnotations,
  isNotFound,
  type KubeClient,
  resources,
  type SecretProviderClassPodStatus,
} from '#kubernetes/client'
import { nearestName } from '#lib'
import { parseDuration } from '#lib/formats'
import { CliError, type CliWorld, createTerminal, exitCodes } from '#terminal'
import { attempt } from '../answer.ts'
import { withCluster } from '../cluster/open-cluster.ts'
import { pinnedMountsOf } from '../cluster/pinned-mounts.ts'
import type { ClusterOption } from '../options.ts'
import type { ClassRef } from './class-ref.ts'
import { printRotation } from './print-rotation.ts'
import { waitForOutcomes } from './volume-outcome.ts'

export interface RotateCommand {
  className: string
  /** Default: the one of the kubeconfig's context. */
  namespace: string | undefined
  cluster: ClusterOption
  /** How long to wait for the pods, as a Go duration. */
  timeout: string
  json: boolean
  world: CliWorld
}

/**
 * `keymount rotate`: makes every mounted volume of a class read its values again now, and prints the result for each pod.
 * Exit status 0 if all of them did, 1 if one failed or did not answer in time.
 */
export async function rotate(command: RotateCommand): Promise<number> {
  const { className, timeout, json, cluster, world } = command
  const terminal = createTerminal(world)
  return withCluster(cluster, world, async ({ kube, config }) => {
    const ref = { namespace: command.namespace ?? config.namespace, name: className }
    const before = await statusesOf(kube, ref)
    const request = await requestRotation(kube, ref)
    const outcomes = await terminal.wait(`waiting for the pods of ${ref.namespace}/${ref.name}`, () =>
      waitForOutcomes(before, {
        read: () => statusesOf(kube, ref),
        request,
        timeoutMs: parseDuration(timeout) ?? 0,
        signal: world.signal,
      }),
    )
    const pinned = await pinnedMountsOf(kube, ref)
    if (json) terminal.line(JSON.stringify({ ...ref, request, volumes: outcomes, pinned }, null, 2))
    else printRotation(ref, { outcomes, pinned }, terminal)
    const isFailed = outcomes.some(({ outcome }) => outcome === 'failed' || outcome === 'no answer')
    return isFailed ? exitCodes.failed : exitCodes.ok
  })
}

async function statusesOf(kube: KubeClient, { namespace, name }: ClassRef): Promise<SecretProviderClassPodStatus[]> {
  const { items } = await kube.list(resources.secretProviderClassPodStatuses, { namespace })
  return items.filter(({ status }) => status?.secretProviderClassName === name)
}

/** Gives the value that the status objects will have once the drivers have acted on the request. */
async function requestRotation(kube: KubeClient, ref: ClassRef): Promise<string> {
  const request = new Date().toISOString()
  try {
    const annotations = { [classAnnotations.rotate]: request }
    await kube.patch(resources.secretProviderClasses, ref, { metadata: { annotations } })
    return request
  } catch (error) {
    if (!isNotFound(error)) throw error
    throw await noSuchClass(kube, ref, error)
  }
}

async function noSuchClass(kube: KubeClient, { namespace, name }: ClassRef, cause: unknown): Promise<CliError> {
  const classes = await attempt(() => kube.list(resources.secretProviderClasses, { namespace }))
  const names = 'value' in classes ? classes.value.items.map(({ metadata }) => metadata.name ?? '') : []
  const near = nearestName(name, names)
  return new CliError({
    what: `There is no SecretProviderClass "${name}" in namespace "${namespace}"`,
    fix: [
      ...(near === undefined ? [] : [`did you mean ${near}?`]),
      'name its namespace: -n NAMESPACE',
      'see all of them: kubectl get secretproviderclasses -A',
    ],
    cause,
  })
}
