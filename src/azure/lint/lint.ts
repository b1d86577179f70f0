import { ignoreComments } from './ignore-comments.ts'
import { type AnnotationChecks, type KubernetesVersion, manifestSet } from './manifest-set.ts'
import { type NoticeId, notices } from './notices.ts'
import type { Place } from './place.ts'
import { type ReadFile, readManifests } from './read-manifests.ts'
import type { RuleFinding, Severity } from './rule.ts'
import { lintRules, type RuleId, ruleEntries } from './rules/index.ts'

export interface LintFile {
  /** As findings name it. */
  name: string
  text: string
  /** Why the file could not be read; it then has no text. */
  problem?: string | undefined
}

export interface LintFinding extends Place {
  id: RuleId | NoticeId
  severity: Severity
  file: string
  /** What was found. */
  message: string
  /** What would be right; empty where the message has it. */
  right: string
  object?: { kind: string; namespace: string; name: string } | undefined
}

export interface LintOptions {
  kubernetes: KubernetesVersion
  /** Default: annotations are not checked. */
  annotations?: AnnotationChecks | undefined
}

export interface LintResult {
  /** By file, line and column. */
  findings: readonly LintFinding[]
  /** How many Kubernetes objects were read. */
  objects: number
  /** Whether a file, or a part of one, could not be read. */
  unreadable: boolean
}

/** Checks manifests against each other by all rules. Reads nothing but what it is given, and never throws. */
export function lint(files: readonly LintFile[], { kubernetes, annotations }: LintOptions): LintResult {
  const read = files.map((file) => ({ file, ...readFile(file) }))
  const set = manifestSet(
    read.flatMap(({ manifests }) => manifests),
    kubernetes,
    annotations,
  )
  const found = ruleEntries.flatMap(([id, rule]) => [...rule.check(set)].map((one) => fromRule(id, one)))
  const all = [...found, ...read.flatMap(duplicateKeys)]
  const byFile = Map.groupBy(all, ({ file }) => file)
  const findings = read.flatMap((one) => [
    ...unreadableParts(one),
    ...withoutIgnored(byFile.get(one.file.name) ?? [], one.file),
  ])
  return {
    findings: findings.toSorted(byPlace),
    objects: set.manifests.length,
    unreadable: read.some(({ unreadable }) => unreadable.length > 0),
  }
}

function readFile({ name, text, problem }: LintFile): ReadFile {
  if (problem === undefined) return readManifests(name, text)
  return { manifests: [], unreadable: [{ line: 1, column: 1, message: problem }], duplicates: [] }
}

type OfFile = ReadFile & { file: LintFile }

function fromRule(id: RuleId, { manifest, path, place, message, right, severity }: RuleFinding): LintFinding {
  const { kind, namespace, name, file } = manifest
  const rule = lintRules[id]
  return {
    id,
    severity: severity ?? rule.severity,
    file,
    ...(place ?? manifest.placeOf(path ?? ['kind'])),
    message,
    right: right ?? rule.right,
    object: { kind, namespace, name },
  }
}

function duplicateKeys({ file, duplicates }: OfFile): LintFinding[] {
  const { severity, right } = lintRules.KL011
  return duplicates.map(({ key, at }) => ({
    id: 'KL011',
    severity,
    file: file.name,
    ...at,
    message: `the key "${key}" is in this mapping twice; the last one counts`,
    right,
  }))
}

function unreadableParts({ file, unreadable }: OfFile): LintFinding[] {
  return unreadable.map((one) => notice('KL900', file.name, one, one.message))
}

function notice(id: NoticeId, file: string, { line, column }: Place, message: string): LintFinding {
  const { severity, right } = notices[id]
  return { id, severity, file, line, column, message, right: id === 'KL900' ? '' : right }
}

/** The findings without those that a comment turns off, and what is wrong with the comments. */
function withoutIgnored(found: readonly LintFinding[], { name, text }: LintFile): LintFinding[] {
  const { comments, problems } = ignoreComments(text)
  const at = (line: number) => ({ line, column: 1 })
  const used = new Set<string>()
  const left = found.filter(({ id, line }) => {
    const covering = comments.filter(({ rules, from, to }) => rules.includes(id) && from <= line && line <= to)
    for (const one of covering) used.add(`${one.line} ${id}`)
    return covering.length === 0
  })
  const idle = comments.flatMap((one) =>
    one.rules
      .filter((id) => !used.has(`${one.line} ${id}`))
      .map((id) => notice('KL902', name, at(one.line), `ignores ${id}, which finds nothing here`)),
  )
  return [
    ...left,
    ...idle,
    ...problems.map(({ line, message }) => notice('KL901', name, at(line), `the comment ${message}`)),
  ]
}

function byPlace(a: LintFinding, b: LintFinding): number {
  if (a.file !== b.file) return a.file < b.file ? -1 : 1
  return a.line - b.line || a.column - b.column || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0)
}
