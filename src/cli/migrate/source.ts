import type { Manifest } from '#azure/lint'
import type { Resource } from '#kubernetes/client'
import type { Draft } from './draft.ts'
import type { Input } from './input.ts'
import type { SourceName } from './migrate-options.ts'
import type { MigrateRules } from './rule.ts'
import type { Work } from './work.ts'

/** One tool that a migration comes from. */
export interface Source {
  name: SourceName
  /** For headings. */
  title: string
  rules: MigrateRules
  /** Kinds of a cluster that belong to it. */
  kinds: readonly SourceKind[]
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

/** A kind that a source has. */
export type SourceKind = Omit<Resource, 'version'>

/** Kinds of a group, whose plurals are the regular ones. */
export function kindsOf(
  group: string,
  kinds: readonly string[],
  scope: 'namespaced' | 'cluster' = 'namespaced',
): SourceKind[] {
  const plural = (kind: string) => `${kind.toLowerCase()}${kind.endsWith('s') ? 'es' : 's'}`
  return kinds.map((kind) => ({ group, kind, plural: plural(kind), namespaced: scope === 'namespaced' }))
}
