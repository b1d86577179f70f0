import { sleep } from '#lib'
import { createHttpClient } from '#lib/http'

export interface AwaitReadyOptions {
  port: number
  /** Number of requests. Default 60. */
  attempts?: number | undefined
  /** Time between two requests, in milliseconds. Default 500. */
  pauseMs?: number | undefined
}

/**
 * Waits until the proxy on this port answers `/readyz`, half a minute at most: a container's postStart hook runs it, possibly
 * before the proxy listens. Throws the last failure.
 */
export async function awaitReady({ port, attempts = 60, pauseMs = 500 }: AwaitReadyOptions): Promise<void> {
  const url = new URL(`http://127.0.0.1:${port}/readyz`)
  const http = createHttpClient({ timeoutMs: 5000 })
  try {
    for (let attempt = 1; ; attempt++) {
      try {
        const { status } = await http.send({ url })
        if (status === 200) return
        throw new Error(`${url.href} answered ${status}, expected 200`)
      } catch (error) {
        if (attempt === attempts) throw error
        await sleep(pauseMs)
      }
    }
  } finally {
    http.stop()
  }
}
