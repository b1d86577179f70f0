import { setTimeout as delay } from 'node:timers/promises'
import { isNotFound, resources } from '#kubernetes/client'
import type { Lab } from '../support/lab.ts'

/**
 * Asks until the answer is not undefined and gives it. The bound is for a test that hangs, not a promise of speed; the
 * error tells the last thing that was seen.
 */
export async function eventually<T>(
  what: string,
  ask: () => Promise<T | undefined>,
  { withinMs = 120_000, everyMs = 200 }: { withinMs?: number; everyMs?: number } = {},
): Promise<T> {
  const end = Date.now() + withinMs
  let last: unknown
  while (Date.now() < end) {
    try {
      const answer = await ask()
      if (answer !== undefined) return answer
      last = undefined
    } catch (error) {
      last = error
    }
    await delay(everyMs)
  }
  throw new Error(`${what}: not within ${withinMs / 1000} s${last === undefined ? '' : `; last: ${String(last)}`}`)
}

/** Waits until the pod is Ready; the error carries its events. */
export async function podReady(lab: Lab, namespace: string, name: string): Promise<void> {
  try {
    await eventually(`pod ${namespace}/${name} Ready`, async () => {
      const pod = await lab.kube.get(resources.pods, { namespace, name })
      return pod.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') || undefined
    })
  } catch (error) {
    const lines = (await podEvents(lab, namespace, name)).map(({ reason, message }) => `  ${reason}: ${message}`)
    throw new Error(`${String(error)}\nevents:\n${lines.join('\n')}`)
  }
}

export async function podEvents(
  lab: Lab,
  namespace: string,
  name: string,
): Promise<{ reason: string; message: string }[]> {
  const { items } = await lab.kube.list(resources.events, { namespace, fieldSelector: `involvedObject.name=${name}` })
  return items.map(({ reason = '', message = '' }) => ({ reason, message }))
}

/** Waits for an event of the pod whose reason is `reason` and whose message has all of `parts`; gives the message. */
export function podEvent(
  lab: Lab,
  namespace: string,
  pod: string,
  reason: string,
  ...parts: string[]
): Promise<string> {
  return eventually(`event ${reason} of pod ${namespace}/${pod} with ${JSON.stringify(parts)}`, async () => {
    const events = await podEvents(lab, namespace, pod)
    return events.find((event) => event.reason === reason && parts.every((part) => event.message.includes(part)))
      ?.message
  })
}

/** Deletes a pod and waits until it is gone. */
export async function deletePod(lab: Lab, namespace: string, name: string): Promise<void> {
  const { metadata } = await lab.kube.get(resources.pods, { namespace, name })
  await lab.kube.delete(resources.pods, { namespace, name }, { gracePeriodSeconds: 1 })
  await eventually(`pod ${namespace}/${name} gone`, async () => {
    try {
      const now = await lab.kube.get(resources.pods, { namespace, name })
      return now.metadata.uid === metadata.uid ? undefined : true
    } catch (error) {
      if (isNotFound(error)) return true
      throw error
    }
  })
}
