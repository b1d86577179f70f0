import type { KubernetesVersion } from '#azure/lint'
import type { CliWorld } from '#terminal'

export type LintFormat = 'text' | 'json' | 'sarif' | 'github'

export interface LintCommand {
  /** Files and directories; `-` is standard input. */
  paths: readonly string[]
  helm: boolean
  kustomize: boolean
  /** Files of values for the charts. */
  values: readonly string[]
  format: LintFormat
  /** Warnings fail, too. */
  strict: boolean
  kubernetes: KubernetesVersion
  world: CliWorld
}
