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

/** What the owner of a lab can do to its local Azure, besides using it. See ARCHITECTURE.md, `control.sock`. */
export interface LabControl {
  /** Names of all vaults. */
  vaults(): Promise<string[]>
  /** The current faults, by host. */
  faults(): Promise<Record<string, LabFault>>
  /** Answers every request to the host with 429, for `forMs` or until {@link LabControl.clearFault}. */
  throttle(host: string, options: { retryAfterSeconds: number; forMs?: number | undefined }): Promise<void>
  clearFault(host: string): Promise<void>
}

export function createLabControl(socketPath: string): LabControl {
  return {
    vaults: async () => vaultsAnswer.parse(await callSocket(socketPath, { method: 'GET', path: '/vaults' })).vaults,
    faults: async () => faultsAnswer.parse(await callSocket(socketPath, { method: 'GET', path: '/faults' })),
    async throttle(host, { retryAfterSeconds, forMs }) {
      // JSON leaves out what is undefined.
      const body = { kind: 'throttle', retryAfterSeconds, forSeconds: forMs === undefined ? undefined : forMs / 1000 }
      await callSocket(socketPath, { method: 'PUT', path: `/faults/${host}`, body })
    },
    clearFault: async (host) => void (await callSocket(socketPath, { method: 'DELETE', path: `/faults/${host}` })),
  }
}
