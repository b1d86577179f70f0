import type { Manifest } from '#azure/lint'
import type { Draft } from './draft.ts'
import type { ConvertOptions, SourceName } from './migrate-options.ts'
import type { MigrateRules } from './rule.ts'
import type { Work } from './work.ts'

/** Everything that a conversion may look at. */
export interface Input {
  manifests: readonly Manifest[]
  options: ConvertOptions
  /** Objects of a kind that may be in the namespace of another one. */
  named(kind: string, name: string, beside: Pick<Manifest, 'namespace'>): readonly Manifest[]
  /** The comment at a field of an object. */
  commentAt(manifest: Manifest, path: readonly (string | number)[]): string
  /** Keys of a Secret of the cluster, where the command reads one; otherwise why they are not known. */
  keysOfSecret(namespace: string, name: string): readonly string[] | { why: string }
}

/** One tool that a migration comes from. */
export interface Source {
  name: SourceName
  /** For headings. */
  title: string
  rules: MigrateRules
  /** Kinds of a cluster that belong to it. */
  kinds: readonly { group: string; kind: string; plural: string; namespaced: boolean }[]
  /** Whether the object is the tool's; `only` where no other source is asked. */
  owns(manifest: Manifest, only: boolean): boolean
  /** What every reader of the report should know, where objects of the tool are in the input. */
  notes: readonly string[]
  /** The conversion of one object; undefined for one that is not converted or needs none. */
  convert(work: Work, input: Input): Draft | undefined
}

export function groupOf({ apiVersion }: Pick<Manifest, 'apiVersion'>): string {
  return apiVersion.includes('/') ? (apiVersion.split('/', 1)[0] ?? '') : ''
}
