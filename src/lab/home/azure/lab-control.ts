import { z } from 'zod'
import { callSocket } from '#lib/http'

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
    vaults: async () => vaultsAnswer.parse(await callSocket(socketPath, { method: 'GET', path: '/vaults' })).vaults,
    faults: async () => faultsAnswer.parse(await callSocket(socketPath, { method: 'GET', path: '/faults' })),
    async throttle(host, { retryAfterSeconds, forMs }) {
      const forSeconds = forMs === undefined ? {} : { forSeconds: forMs / 1000 }
      const body = { kind: 'throttle', retryAfterSeconds, ...forSeconds }
      await callSocket(socketPath, { method: 'PUT', path: `/faults/${host}`, body })
    },
    clearFault: async (host) => void (await callSocket(socketPath, { method: 'DELETE', path: `/faults/${host}` })),
  }
}
