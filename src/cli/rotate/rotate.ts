import {
  classAnnotations,
  isNotFound,
  type KubeClient,
  resources,
  type SecretProviderClassPodStatus,
} from '#kubernetes/client'
import { parseDuration } from '#lib/formats'
import { type CliWorld, createTerminal, exitCodes } from '#terminal'
import { noSuchObject } from '../cluster/no-such-object.ts'
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

export async function statusesOf(
  kube: KubeClient,
  { namespace, name }: ClassRef,
): Promise<SecretProviderClassPodStatus[]> {
  const { items } = await kube.list(resources.secretProviderClassPodStatuses, { namespace })
  return items.filter(({ status }) => status?.secretProviderClassName === name)
}

/** Gives the value that the status objects will have once the drivers have acted on the request. */
export async function requestRotation(kube: KubeClient, ref: ClassRef): Promise<string> {
  const request = new Date().toISOString()
  try {
    const annotations = { [classAnnotations.rotate]: request }
    await kube.patch(resources.secretProviderClasses, ref, { metadata: { annotations } })
    return request
  } catch (error) {
    if (!isNotFound(error)) throw error
    throw await noSuchObject(kube, {
      resource: resources.secretProviderClasses,
      noun: 'SecretProviderClass',
      ...ref,
      cause: error,
    })
  }
}
