import { ifFound, resources } from '#kubernetes/client'
import { until } from '../support/eventually.ts'
import type { Lab } from '../support/lab.ts'

/** Waits until the pod is Ready; the error carries its events. */
export async function podReady(lab: Lab, namespace: string, name: string): Promise<void> {
  try {
    await until(`pod ${namespace}/${name} Ready`, async () => {
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
  return until(`event ${reason} of pod ${namespace}/${pod} with ${JSON.stringify(parts)}`, async () => {
    const events = await podEvents(lab, namespace, pod)
    return events.find((event) => event.reason === reason && parts.every((part) => event.message.includes(part)))
      ?.message
  })
}

/** Deletes a pod and waits until it is gone. */
export async function deletePod(lab: Lab, namespace: string, name: string): Promise<void> {
  const { metadata } = await lab.kube.get(resources.pods, { namespace, name })
  await lab.kube.delete(resources.pods, { namespace, name }, { gracePeriodSeconds: 1 })
  await until(`pod ${namespace}/${name} gone`, async () => {
    const now = await ifFound(lab.kube.get(resources.pods, { namespace, name }))
    return now?.metadata.uid === metadata.uid ? undefined : true
  })
}
