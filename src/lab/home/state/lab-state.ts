import { readFileSync } from 'node:fs'
import { z } from 'zod'
import { errorCode } from '#lib'
import { replaceFile } from '#lib/files'
import { CliError } from '#terminal'
import type { LabHome } from './lab-home.ts'

const port = z.int().min(0).max(65_535)

/** Ports of Keymount's daemons on a local cluster. */
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
  /** The local cluster, or that of a kubeconfig. */
  target: z.discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('local') }),
    z.strictObject({ kind: z.literal('kubeconfig'), path: z.string() }),
  ]),
  /** `real`: no local Azure; pods reach the public cloud. */
  azure: z.enum(['local', 'real']),
  /** Address that the local Azure listens on. */
  listen: z.string(),
  ports: z.strictObject({ cluster: port, azure: port, imds: port }),
  /** Go duration; the driver's default if absent. */
  rotationPollInterval: z.string().optional(),
  syncFrequency: z.string().optional(),
  /** Whether pods of local clusters get networks of their own; they share the machine's if absent. */
  podNetwork: z.literal(true).optional(),
  /** Whether the provider caches tokens and reads; it does if absent. */
  caching: z.enum(['on', 'off']).optional(),
  /** Whether the local Azure refuses connections to other hosts; it forwards them if absent. */
  offline: z.literal(true).optional(),
  /** Whether Keymount may write Kubernetes Secrets; it may not if absent. */
  secretSync: z.literal(true).optional(),
  /** Whether the controller of SecretSyncs is installed; it is not if absent. */
  sync: z.literal(true).optional(),
  image: z.string().optional(),
  kubeletRoot: z.string().optional(),
  /** Build of Keymount that the local cluster was last started with. */
  localImage: z.string().optional(),
  /** Ports of Keymount's daemons on the local cluster. A file of an older release lacks some; then all are chosen again. */
  daemonPorts: daemonPortsSchema.optional().catch(undefined),
})

/** The settings of the last `up`. They outlive `down`, so that the next `up` starts the same lab, with the same issuer. */
export type LabState = z.infer<typeof labStateSchema>

/** The lab's state, or undefined in an empty home. Throws {@link CliError} if the file is corrupt. */
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

/** The state of a lab that was up. Throws {@link CliError} if it never was. */
export function requireLabState(home: LabHome): LabState {
  const state = readLabState(home)
  if (state !== undefined) return state
  throw new CliError({ what: `The lab in ${home.root} was never up`, fix: [`start it: keymount up${home.option}`] })
}

export function writeLabState(home: LabHome, state: LabState): void {
  replaceFile(home.stateFile, `${JSON.stringify(state, null, 2)}\n`)
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
        `move it away and start the lab again, with its vaults and cluster objects: mv ${home.stateFile} ${home.stateFile}.corrupt && keymount up${home.option}`,
        `or delete the lab with everything in it: keymount down --delete-state${home.option}`,
      ],
      cause,
    })
  }
}
