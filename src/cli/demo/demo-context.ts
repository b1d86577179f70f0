import { execInPod, isPodReady, type KubeEvent, type Pod, resources, wasFound } from '#kubernetes/client'
import type { Lab, Session } from '#lab/home'
import { poll } from '#lib/async'
import { CliError } from '#terminal'
import { type ExamplePlace, exampleNames, examplePod } from '../example/example.ts'

/** What the steps of the demo work with. */
export interface DemoContext extends Session, ExamplePlace {
  lab: Lab
}

/** Fails the demo unless something holds. @param found what was found instead. */
export function check(holds: boolean, what: string, found: string): void {
  if (!holds) throw new CliError({ what: `The demo expected that ${what}`, why: `found ${found}` })
}

/** Calls `find` every 50 ms until it gives something. Throws {@link CliError} after `withinMs` (default 20,000). */
export function until<T>(
  { world }: DemoContext,
  what: string,
  find: () => Promise<T | undefined>,
  withinMs = 20_000,
): Promise<T> {
  const late = () => Promise.reject(new CliError({ what: `The demo waited ${withinMs / 1000} s until ${what}` }))
  return poll(find, { everyMs: 50, withinMs, late, signal: world.signal })
}

/** The file as a process in the container reads it. */
export async function readFileInPod({ lab }: DemoContext): Promise<string> {
  const { namespace, name: pod } = examplePod
  const { stdout, stderr, code } = await execInPod(lab.cluster.config, {
    namespace,
    pod,
    command: ['cat', exampleNames.file],
  })
  check(code === 0, `cat ${exampleNames.file} succeeds in the container`, `exit status ${code}: ${stderr}`)
  return stdout
}

export async function podReady(context: DemoContext): Promise<Pod> {
  try {
    return await until(context, `pod ${exampleNames.pod} is ready`, async () => {
      const pod = await context.kube.get(resources.pods, examplePod)
      return isPodReady(pod) ? pod : undefined
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
    namespace: exampleNames.namespace,
    fieldSelector: `involvedObject.name=${exampleNames.pod}`,
  })
  return items
}

/** Deletes the pod and waits until it is gone. */
export async function deletePod(context: DemoContext): Promise<void> {
  await context.kube.delete(resources.pods, examplePod, { gracePeriodSeconds: 1 })
  await until(context, `pod ${exampleNames.pod} is gone`, async () => {
    return (await wasFound(context.kube.get(resources.pods, examplePod))) ? undefined : true
  })
}
