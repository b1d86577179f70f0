import type { ManifestSet } from './manifest-set.ts'
import type { Place } from './place.ts'
import type { Manifest } from './read-manifests.ts'
import type { Path } from './yaml-document.ts'

export type Severity = 'error' | 'warning' | 'info'

/** What a rule found. */
export interface RuleFinding {
  manifest: Manifest
  /** The field; the object itself by default. */
  path?: Path | undefined
  /** Inside a text of the manifest, where `path` cannot reach. */
  place?: Place | undefined
  /** What was found. */
  message: string
  /** What would be right. Default: the rule's. */
  right?: string | undefined
  /** Default: the rule's. */
  severity?: Severity | undefined
}

export interface Rule {
  /** Two to five words, for lists and for SARIF. */
  title: string
  severity: Severity
  /** Where a finding has another severity, for docs/lint.md: `info where …`. */
  exception?: string
  /** What follows from it. One or two sentences for docs/lint.md. */
  why: string
  /** What would be right, for findings that have no text of their own. */
  right: string
  check(set: ManifestSet): Iterable<RuleFinding>
}

/** Rules by their ids, which are stable: an id is never used for something else. */
export type RuleTable = Readonly<Record<`KL${number}`, Rule>>
