import type { KubeClient } from '#kubernetes/client'
import type { Clock } from '#lib'
import type { AzureSession } from '../azure-session.ts'
import type { PhaseFlag, PhaseSettings } from './options.ts'
import type { Principal } from './principal.ts'

/** One step of `create` or `delete`, which can also be run alone, and again. */
export interface Phase {
  name: string
  alias: string
  description: string
  /** The options that it reads; `phase NAME` shows these only. */
  flags: readonly PhaseFlag[]
  /** Which options it lacks, in upstream's words. Sends no request. */
  missing(settings: PhaseSettings): string[]
  run(context: PhaseContext): Promise<PhaseOutcome>
  /** The az and kubectl commands that do the same. */
  commands(context: ScriptContext): string[]
}

export interface PhaseOutcome {
  /** What was done, or found done. */
  text: string
  /** Nothing was to be done although something was expected, for example the deletion of what is not there. */
  warning?: boolean
}

/** What a phase works with. Clients are made when a phase first asks for them. */
export interface PhaseContext {
  settings: PhaseSettings
  azure(): Promise<AzureSession>
  kube(): KubeClient
  /** What signs in: the application or the managed identity. */
  principal(): Promise<Principal>
  clock: Clock
  signal: AbortSignal
}

export interface ScriptContext {
  settings: PhaseSettings
  /** Undefined: the one of `az account show`. */
  tenantId: string | undefined
}

/** `--x is required`, `--x or --y is required`, `--x or --y or --z is required`; nothing when one of them is given. */
export function requireOneOf(...flags: readonly [name: string, value: string | undefined][]): string[] {
  if (flags.some(([, value]) => value !== undefined && value !== '')) return []
  return [`${flags.map(([name]) => name).join(' or ')} is required`]
}
