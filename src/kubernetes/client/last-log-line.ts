import { parseJson, recordOf, stringOf } from '#lib/formats'
import type { KubeClient } from './kube-client.ts'

/**
 * The text of the last line of a container's log: the message of a JSON line, as Keymount and others write them, or the line.
 * At most 300 characters; empty if the container has written nothing. Rejects as {@link KubeClient.raw} does.
 */
export async function lastLogLine(
  kube: KubeClient,
  { namespace, pod, container }: { namespace: string; pod: string; container: string },
): Promise<string> {
  const path = `/api/v1/namespaces/${namespace}/pods/${pod}/log?container=${encodeURIComponent(container)}&tailLines=1`
  return messageOf(await kube.raw({ method: 'GET', path }))
}

function messageOf(line: string): string {
  const text = line.trim().slice(0, 2000)
  try {
    return (stringOf(recordOf(parseJson('a line of a log', text))?.msg) ?? text).slice(0, 300)
  } catch {
    return text.slice(0, 300)
  }
}
