import type { CliWorld } from '#terminal'
import type { ClusterOption } from '../options.ts'

/** What a migration comes from. */
export const sourceNames = ['upstream', 'eso', 'akv2k8s', 'sse', 'gke', 'appconfig'] as const

export type SourceName = (typeof sourceNames)[number]

export const strategies = ['files', 'secrets', 'both'] as const

/** `secrets`: Kubernetes Secrets as before. `files`: classes for volumes alone. `both`: classes and Secrets. */
export type Strategy = (typeof strategies)[number]

export const reportFormats = ['text', 'json', 'sarif'] as const

export type ReportFormat = (typeof reportFormats)[number]

/** What the manifests of the old tool leave open, and how the new ones are named. */
export interface ConvertOptions {
  strategy: Strategy
  /** Added to the names of classes and Secrets, so that both sides can exist at once. */
  suffix: string
  /** For objects whose manifests name no service account. */
  serviceAccount: string | undefined
  clientId: string | undefined
  tenantId: string | undefined
  /** Certificates and keys may come as PEM where the old tool writes DER or JWK. */
  acceptPem: boolean
  /** Names of providers: old → new. */
  providerMap: ReadonlyMap<string, string>
}

/** What is read, and how it is converted. */
export interface SourceCommand extends ConvertOptions {
  from: SourceName | 'auto'
  /** Files and directories; `-` is standard input. Empty with `fromCluster`. */
  paths: readonly string[]
  fromCluster: boolean
  namespace: string | undefined
  cluster: ClusterOption
  world: CliWorld
}

export interface MigrateCommand extends SourceCommand {
  /** Directory that is written. */
  output: string | undefined
  report: ReportFormat
}
