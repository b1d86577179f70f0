import { setTimeout as delay } from 'node:timers/promises'
import { execInPod, isNotFound, type KubeClient, type KubeEvent, type Pod, resources } from '#kubernetes/client'
import type { Lab, LabAzure, Session } from '#lab/home'
import { CliError } from '#terminal'

/** What the steps of the demo work with. */
export interface DemoContext extends Session {
  lab: Lab
  kube: KubeClient
  azure: LabAzure
}

/** Names of the demo. Those of Kubernetes objects are the ones of examples/workload-identity. */
export const names = {
  vault: 'keymount-demo',
  secret: 'ExampleSecret',
  identity: 'workload-identity',
  federatedCredential: 'workload-identity-sa',
  namespace: 'default',
  serviceAccount: 'workload-identity-sa',
  class: 'azure-kvname-wi',
  pod: 'busybox-secrets-store-inline-wi',
  file: '/mnt/secrets-store/ExampleSecret',
} as const

export const podRef = { namespace: names.namespace, name: names.pod }

/** Fails the demo unless something holds. @param found what was found instead. */
export function check(holds: boolean, what: string, found: string): void {
  if (!holds) throw new CliError({ what: `The demo expected that ${what}`, why: `found ${found}` })
}

/** Calls `find` every 50 ms until it gives something. Throws {@link CliError} after `withinMs` (default 20,000). */
export async function until<T>(
  { world }: DemoContext,
  what: string,
  find: () => Promise<T | undefined>,
  withinMs = 20_000,
): Promise<T> {
  const deadline = performance.now() + withinMs
  for (;;) {
    world.signal.throwIfAborted()
    const answer = await find()
    if (answer !== undefined) return answer
    if (performance.now() > deadline) throw new CliError({ what: `The demo waited ${withinMs / 1000} s until ${what}` })
    await delay(50)
  }
}

/** The file as a process in the container reads it. */
export async function readFileInPod({ lab }: DemoContext): Promise<string> {
  const { namespace, name: pod } = podRef
  const { stdout, stderr, code } = await execInPod(lab.cluster.config, { namespace, pod, command: ['cat', names.file] })
  check(code === 0, `cat ${names.file} succeeds in the container`, `exit status ${code}: ${stderr}`)
  return stdout
}

export async function podReady(context: DemoContext): Promise<Pod> {
  try {
    return await until(context, `pod ${names.pod} is ready`, async () => {
      const pod = await context.kube.get(resources.pods, podRef)
      const ready = pod.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True')
      return ready === true ? pod : undefined
    })
  } catch (error) {
    if (!(error instanceof CliError)) throw error
    const events = await podEvents(context)
    const detail = events.map(({ reason, message }) => `${reason}: ${message}`).join('\n')
    throw new CliError({ what: error.what, detail, cause: error })
  }
}

export async function podEvents({ kube }: DemoContext): Promise<KubeEvent[]> {
  const { items } = await kube.list(resources.events, {
    namespace: names.namespace,
    fieldSelector: `involvedObject.name=${names.pod}`,
  })
  return items
}

/** Deletes the pod and waits until it is gone. */
export async function deletePod(context: DemoContext): Promise<void> {
  await context.kube.delete(resources.pods, podRef, { gracePeriodSeconds: 1 })
  await until(context, `pod ${names.pod} is gone`, async () => {
    try {
      await context.kube.get(resources.pods, podRef)
      return undefined
    } catch (error) {
      if (isNotFound(error)) return true
      throw error
    }
  })
}
