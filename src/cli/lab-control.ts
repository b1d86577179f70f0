import { request } from 'node:http'
import { z } from 'zod'

const fault = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('unreachable') }),
  z.object({ kind: z.literal('throttle'), retryAfterSeconds: z.number() }),
  z.object({ kind: z.literal('error'), status: z.number() }),
])
const faultsAnswer = z.record(z.string(), fault.and(z.object({ untilMs: z.number().optional() })))
const vaultsAnswer = z.object({ vaults: z.array(z.string()) })

export type LabFault = z.infer<typeof fault> & { untilMs?: number | undefined }

/** What whoever owns a lab may do to its local Azure, beside using it: see ARCHITECTURE.md, `control.sock`. */
export interface LabControl {
  /** Every vault there is. */
  vaults(): Promise<string[]>
  /** The faults that are set, by host. */
  faults(): Promise<Record<string, LabFault>>
  /** Answers every request to the host with 429; until it is taken back, unless `forMs` is given. */
  throttle(host: string, options: { retryAfterSeconds: number; forMs?: number | undefined }): Promise<void>
  clearFault(host: string): Promise<void>
}

export function createLabControl(socketPath: string): LabControl {
  return {
    vaults: async () => vaultsAnswer.parse(await call(socketPath, 'GET', '/vaults')).vaults,
    faults: async () => faultsAnswer.parse(await call(socketPath, 'GET', '/faults')),
    async throttle(host, { retryAfterSeconds, forMs }) {
      const forSeconds = forMs === undefined ? {} : { forSeconds: forMs / 1000 }
      await call(socketPath, 'PUT', `/faults/${host}`, { kind: 'throttle', retryAfterSeconds, ...forSeconds })
    },
    clearFault: async (host) => void (await call(socketPath, 'DELETE', `/faults/${host}`)),
  }
}

function call(socketPath: string, method: string, path: string, body?: unknown): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json' }
    const outgoing = request({ socketPath, method, path, headers, timeout: 10_000 }, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('error', reject)
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString('utf8')
        const { statusCode = 0 } = response
        if (statusCode >= 300) reject(new Error(`the local Azure answered ${statusCode} to ${method} ${path}: ${text}`))
        else resolve(text === '' ? undefined : JSON.parse(text))
      })
    })
    outgoing.on('timeout', () => outgoing.destroy(new Error(`the local Azure did not answer ${method} ${path}`)))
    outgoing.on('error', reject)
    outgoing.end(body === undefined ? undefined : JSON.stringify(body))
  })
}
