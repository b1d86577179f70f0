/**
 * azure/lint: what is wrong with manifests that use Key Vault, found without a cluster: classes, pods, Secrets, identities,
 * file modes and load. `lint` takes texts of YAML or JSON and gives findings with file, line and column; a rule is a row of
 * `lintRules`, a pure function over the objects of all files. `readManifests` gives the objects of a text with the place of every
 * field, `manifestSet` those of all texts by what they are. Reads no file and sends no request.
 */
export { type ClassManifest, hasPlaceholder } from './class-manifest.ts'
export { type LintFile, type LintFinding, type LintOptions, type LintResult, lint } from './lint.ts'
export { lintLimits } from './lint-limits.ts'
export { type AnnotationChecks, type KubernetesVersion, type ManifestSet, manifestSet } from './manifest-set.ts'
export { notices } from './notices.ts'
export type { Place } from './place.ts'
export { type PodManifest, podManifest } from './pod-manifest.ts'
export { type Manifest, type Otherwise, type ReadFile, readManifests, type Unreadable } from './read-manifests.ts'
export type { Severity } from './rule.ts'
export { lintRules, ruleEntries, ruleGroups } from './rules/index.ts'
export type { Path } from './yaml-document.ts'
