import type { ServerResponse } from 'node:http'
import { badRequest } from '../api-error.ts'
import type { ApiCall } from './api-call.ts'
import { refuseWaiting, runtimeError, runtimeOf, targetOf } from './pod-target.ts'
import { isTrue, parseCount } from './request-info.ts'

/** Streams a container's log as plain text, chunk by chunk as it comes. */
export async function handleLog(call: ApiCall): Promise<void> {
  const { context, response, url } = call
  const { follow, previous, ...tail } = parseLogOptions(url)
  const { pod, target } = targetOf(call)
  const runtime = runtimeOf(call, pod)
  if (!previous) refuseWaiting(pod, target)
  const gone = new AbortController()
  response.on('close', () => gone.abort())
  const signal = AbortSignal.any([gone.signal, context.signal])
  try {
    for await (const chunk of runtime.logs(target, { follow, previous, ...tail, signal })) {
      begin(response)
      if (!response.write(chunk)) await new Promise((resolve) => response.once('drain', resolve).once('close', resolve))
    }
  } catch (error) {
    if (!signal.aborted) throw runtimeError(error)
  }
  begin(response)
  response.end()
}

function parseLogOptions(url: URL) {
  const { searchParams } = url
  const flag = (name: string) => isTrue(searchParams.get(name) ?? 'false')
  for (const name of ['sinceSeconds', 'sinceTime', 'timestamps', 'limitBytes']) {
    if (flag(name) || Number(searchParams.get(name)) > 0)
      throw badRequest(`${name} is not supported by the local cluster`)
  }
  const tailLines = searchParams.has('tailLines') ? parseCount(url, 'tailLines') : undefined
  return { follow: flag('follow'), previous: flag('previous'), tailLines }
}

/** Sends the headers, unless they are already sent: an error before the first byte is still a Status. */
function begin(response: ServerResponse): void {
  if (response.headersSent) return
  response.writeHead(200, { 'content-type': 'text/plain' })
  response.flushHeaders()
}
