import type { KubernetesVersion } from '#azure/lint'
import type { CliWorld } from '#terminal'

export type LintFormat = 'text' | 'json' | 'sarif' | 'github'

/** Which manifests are read, and how. */
export interface InputOptions {
  /** Files and directories; `-` is standard input. */
  paths: readonly string[]
  helm: boolean
  kustomize: boolean
  /** Files of values for the charts. */
  values: readonly string[]
  kubernetes: KubernetesVersion
  world: CliWorld
}

export interface LintCommand extends InputOptions {
  format: LintFormat
  /** Warnings fail, too. */
  strict: boolean
}
