import { HttpFault, type HttpResponse } from '#lib/http'

/** Whether Azure refused a POST before it did anything. */
export function mayRepeatPost({ status }: HttpResponse): boolean {
  return status === 429 || status === 503
}

/** Whether a POST never reached Azure. */
export function mayRepeatFault(error: unknown): boolean {
  return error instanceof HttpFault && error.code === 'refused'
}
