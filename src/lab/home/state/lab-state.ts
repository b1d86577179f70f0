import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { z } from 'zod'
import { errorCode } from '#lib'
import { CliError } from '#terminal'
import type { LabHome } from './lab-home.ts'

const port = z.int().min(0).max(65_535)

/** Ports of the product's daemons on a local cluster. */
export const daemonPortsSchema = z.strictObject({
  driverMetrics: port,
  driverHealth: port,
  providerMetrics: port,
  providerHealth: port,
  webhook: port,
  webhookHealth: port,
})

const labStateSchema = z.strictObject({
  version: z.literal(1),
  /** The embedded cluster, or the one that a kubeconfig names. */
  target: z.discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('local') }),
    z.strictObject({ kind: z.literal('kubeconfig'), path: z.string() }),
  ]),
  /** `real`: no local Azure; pods reach the public cloud. */
  azure: z.enum(['local', 'real']),
  /** Address that the local Azure listens on. */
  listen: z.string(),
  ports: z.strictObject({ cluster: port, azure: port, imds: port }),
  /** Go duration; the product's default when absent. */
  rotationPollInterval: z.string().optional(),
  syncFrequency: z.string().optional(),
  /** Whether the provider keeps sign-ins and reads for a while, as on any node; the product's default when absent. */
  caching: z.enum(['on', 'off']).optional(),
  /** Whether the product may keep Kubernetes Secrets; it may not when absent. */
  secretSync: z.literal(true).optional(),
  image: z.string().optional(),
  kubeletRoot: z.string().optional(),
  /** Build of the product that the local cluster runs. */
  localImage: z.string().optional(),
  /** Ports of the product's daemons on the local cluster. A file of an older release lacks some; then all are chosen anew. */
  daemonPorts: daemonPortsSchema.optional().catch(undefined),
})

/** What `up` was asked for; kept over `down`, so that the next `up` gives the same lab, with the same issuer. */
export type LabState = z.infer<typeof labStateSchema>

/** The lab's state, or undefined in an empty home. Throws {@link CliError} when the file is not what `up` wrote. */
export function readLabState(home: LabHome): LabState | undefined {
  let text: string
  try {
    text = readFileSync(home.stateFile, 'utf8')
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined
    throw error
  }
  return parse(home, text)
}

/** The state of a lab that was up. Throws {@link CliError} when it never was. */
export function requireLabState(home: LabHome): LabState {
  const state = readLabState(home)
  if (state !== undefined) return state
  throw new CliError({ what: `The lab in ${home.root} was never up`, fix: ['start it: keymount up'] })
}

/** Replaces the file in one step: a crash leaves the old or the new one. */
export function writeLabState(home: LabHome, state: LabState): void {
  const next = `${home.stateFile}.next`
  writeFileSync(next, `${JSON.stringify(state, null, 2)}\n`, { mode: 0o600 })
  renameSync(next, home.stateFile)
}

export function removeLabState(home: LabHome): void {
  rmSync(home.stateFile, { force: true })
}

function parse(home: LabHome, text: string): LabState {
  try {
    return labStateSchema.parse(JSON.parse(text))
  } catch (cause) {
    const why = cause instanceof z.ZodError ? z.prettifyError(cause).replaceAll('\n', ' ') : 'it is not JSON'
    throw new CliError({
      what: `The lab's state file ${home.stateFile} is corrupt`,
      why,
      fix: [
        `move it away and run "keymount up" again: vaults and cluster objects are in other files and stay`,
        `start afresh: keymount down --delete-state --home ${home.root}`,
      ],
      cause,
    })
  }
}
