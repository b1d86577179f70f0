import { request } from 'node:http'
import { ApiError, badRequest } from '../api-error.ts'
import { textAt } from '../api-object.ts'
import type { ApiCall } from './api-call.ts'
import { runtimeOf } from './pod-target.ts'

const timeoutMs = 30_000

/**
 * Passes a GET on to a port of a pod: `/api/v1/namespaces/NS/pods/NAME:PORT/proxy/PATH`. Plain HTTP, and only to pods that share the network of
 * this machine.
 */
export async function handleProxy(call: ApiCall): Promise<void> {
  const { context, response, url, row, info } = call
  const [, name = '', port = ''] = /^([^:]{1,253}):(\d{1,5})$/.exec(info.name ?? '') ?? []
  if (name === '') throw badRequest(`pods/proxy: found "${info.name}", expected NAME:PORT`)
  const pod = context.objects.get(row, { namespace: info.namespace ?? '', name })
  runtimeOf(call, pod)
  const host = textAt(pod, 'status', 'podIP')
  const path = `/${url.pathname.split('/proxy/').slice(1).join('/proxy/')}${url.search}`
  await new Promise<void>((resolve, reject) => {
    const sent = request({ host, port: Number(port), path, timeout: timeoutMs, agent: false }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, { 'content-type': answer.headers['content-type'] ?? 'text/plain' })
      answer.pipe(response).on('finish', resolve).on('close', resolve)
      answer.on('error', reject)
    })
    sent.on('timeout', () => sent.destroy(new Error(`no answer within ${timeoutMs / 1000} s`)))
    sent.on('error', (error) =>
      reject(
        new ApiError(503, 'ServiceUnavailable', `pod ${name} cannot be reached at port ${port}: ${error.message}`),
      ),
    )
    response.on('close', () => sent.destroy())
    sent.end()
  })
}
