import { setTimeout as delay } from 'node:timers/promises'
import { createHttpClient } from '#lib/http'

export interface AwaitReadyOptions {
  port: number
  /** How often it asks. Default 60. */
  attempts?: number
  /** Time between, in milliseconds. Default 500. */
  pauseMs?: number
}

/**
 * Waits until the proxy on this port answers `/readyz`, about half a minute at most: a container's hook runs it, and may
 * come before the proxy listens. Throws the last reason why not.
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
        await delay(pauseMs)
      }
    }
  } finally {
    http.stop()
  }
}
