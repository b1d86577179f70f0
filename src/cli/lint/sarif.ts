import { createHash } from 'node:crypto'
import { lintRules, notices, type Place, type Severity } from '#azure/lint'
import { ruleLink, rulePages } from '../rule-page.ts'
import { renderedSuffix } from './render.ts'

const levels = { error: 'error', warning: 'warning', info: 'note' } as const satisfies Record<Severity, string>

/** A finding as SARIF has it: of lint, or of another command that looks at manifests. */
export interface SarifFinding extends Place {
  id: string
  severity: Severity
  file: string
  message: string
  right: string
  object?: { kind: string; namespace: string; name: string } | undefined
}

export interface SarifTool {
  /** `keymount lint` */
  name: string
  /** Address of the page that has the rules. */
  documentation: string
  rules: Readonly<Record<string, { title: string; severity: Severity; why: string; right: string }>>
  /** Key of the fingerprints. */
  fingerprint: string
}

const lintTool: SarifTool = {
  name: 'keymount lint',
  documentation: rulePages.lint,
  rules: { ...lintRules, ...notices },
  fingerprint: 'keymountLint/v1',
}

export interface SarifResult {
  findings: readonly SarifFinding[]
  unreadable: boolean
}

/** Findings in SARIF 2.1.0, which code scanning reads. https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html */
export function sarifLog({ findings, unreadable }: SarifResult, version: string, tool: SarifTool = lintTool) {
  const table = Object.entries(tool.rules)
  const index = new Map(table.map(([id], at) => [id, at]))
  const rules = table.map(([id, { title, severity, why, right }]) => ({
    id,
    name: nameOf(title),
    shortDescription: { text: title },
    fullDescription: { text: why },
    help: { text: `${why} Expected: ${right}.` },
    helpUri: ruleLink(id),
    defaultConfiguration: { level: levels[severity] },
  }))
  const driver = {
    name: tool.name,
    semanticVersion: version.replace(/^v/, ''),
    informationUri: tool.documentation,
    rules,
  }
  return {
    $schema: 'https://json.schemastore.org/sarif-2.1.0.json',
    version: '2.1.0',
    runs: [
      {
        tool: { driver },
        invocations: [{ executionSuccessful: !unreadable }],
        columnKind: 'utf16CodeUnits',
        results: findings.map((one) => resultOf(one, index.get(one.id) ?? -1, tool)),
      },
    ],
  }
}

function resultOf(finding: SarifFinding, ruleIndex: number, { fingerprint }: SarifTool) {
  const { id, severity, file, line, column, message, right, object } = finding
  const isRendered = file.endsWith(renderedSuffix)
  const name = isRendered ? file.slice(0, -renderedSuffix.length) : file
  const artifactLocation = { uri: name.split('/').map(encodeURIComponent).join('/') }
  const region = { startLine: line, startColumn: column }
  const logicalLocations =
    object === undefined
      ? {}
      : { logicalLocations: [{ name: object.name, kind: 'resource', fullyQualifiedName: qualified(object) }] }
  return {
    ruleId: id,
    ruleIndex,
    level: levels[severity],
    message: { text: right === '' ? message : `${message}. Expected: ${right}` },
    locations: [{ physicalLocation: { artifactLocation, ...(isRendered ? {} : { region }) }, ...logicalLocations }],
    // Code scanning follows a finding through changes of the lines above it.
    partialFingerprints: { [fingerprint]: hash(`${id}\n${name}\n${message}`) },
  }
}

function qualified({ kind, namespace, name }: NonNullable<SarifFinding['object']>): string {
  return [kind, ...(namespace === '' ? [] : [namespace]), name].join('/')
}

function hash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 32)
}

/** `class is not complete` → `ClassIsNotComplete` */
function nameOf(title: string): string {
  return title.replaceAll(/(?:^|[^A-Za-z0-9]+)([A-Za-z0-9])/g, (_, letter: string) => letter.toUpperCase())
}
