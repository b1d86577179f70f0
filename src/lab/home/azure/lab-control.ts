import { z } from 'zod'
import { callSocket } from '#lib/http'

const fault = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('unreachable') }),
  z.object({ kind: z.literal('throttle'), retryAfterSeconds: z.number() }),
  z.object({ kind: z.literal('error'), status: z.number() }),
])
const faultsAnswer = z.record(z.string(), fault.and(z.object({ untilMs: z.number().optional() })))
const vaultsAnswer = z.object({ vaults: z.array(z.string()) })

export type NewLabFault = z.infer<typeof fault>
export type LabFault = NewLabFault & { untilMs?: number | undefined }

/** What the owner of a lab can do to its local Azure, besides using it. See ARCHITECTURE.md, `control.sock`. */
export interface LabControl {
  /** Names of all vaults. */
  vaults(): Promise<string[]>
  /** The current faults, by host. */
  faults(): Promise<Record<string, LabFault>>
  /** Makes the host fail, for `forMs` (a day at most) or until {@link LabControl.clearFault}. */
  setFault(host: string, fault: NewLabFault, forMs?: number): Promise<void>
  clearFault(host: string): Promise<void>
}

export function createLabControl(socketPath: string): LabControl {
  return {
    vaults: async () => vaultsAnswer.parse(await callSocket(socketPath, { method: 'GET', path: '/vaults' })).vaults,
    faults: async () => faultsAnswer.parse(await callSocket(socketPath, { method: 'GET', path: '/faults' })),
    async setFault(host, fault, forMs) {
      // JSON leaves out what is undefined.
      const body = { ...fault, forSeconds: forMs === undefined ? undefined : forMs / 1000 }
      await callSocket(socketPath, { method: 'PUT', path: pathOf(host), body })
    },
    clearFault: async (host) => void (await callSocket(socketPath, { method: 'DELETE', path: pathOf(host) })),
  }
}

/** The host is a part of the path whatever is in it: `a/../../requests` must not become another path. */
function pathOf(host: string): string {
  return `/faults/${encodeURIComponent(host)}`
}
