import type { Manifest, Path, Place, Severity } from '#azure/lint'
import { listOf, recordOf, stringOf, valueAt } from '#lib/formats'
import { migrateLimits } from './migrate-limits.ts'
import type { MigrateRule } from './rule.ts'

export interface MigrateFinding extends Place {
  id: string
  severity: Severity
  file: string
  message: string
  right: string
  object: { kind: string; namespace: string; name: string }
}

export interface FindingDetails {
  /** The field; the object itself by default. */
  path?: Path | undefined
  /** The object that has the field, if it is another one. */
  of?: Manifest | undefined
  /** Inside a text of the manifest, where `path` cannot reach. */
  place?: Place | undefined
  /** What would be right. Default: the rule's. */
  right?: string | undefined
}

/** The conversion of one object of the input: its fields, and what is found about it. */
export class Work {
  readonly manifest: Manifest
  readonly #rules: Readonly<Record<string, MigrateRule>>
  readonly #findings: MigrateFinding[] = []
  #further = 0
  #failed = false

  constructor(manifest: Manifest, rules: Readonly<Record<string, MigrateRule>>) {
    this.manifest = manifest
    this.#rules = rules
  }

  /** Whether the object is left out. */
  get failed(): boolean {
    return this.#failed
  }

  get findings(): readonly MigrateFinding[] {
    const [first] = this.#findings
    if (this.#further === 0 || first === undefined) return this.#findings
    return [...this.#findings, { ...first, message: `and ${this.#further} more findings about this object` }]
  }

  add(id: string, message: string, { path = ['kind'], of = this.manifest, place, right }: FindingDetails = {}): void {
    const rule = this.#rules[id]
    if (rule === undefined) throw new Error(`there is no rule ${id}`)
    if (rule.severity === 'error') this.#failed = true
    if (this.#findings.length >= migrateLimits.findings.value) {
      this.#further++
      return
    }
    const { kind, namespace, name } = this.manifest
    this.#findings.push({
      id,
      severity: rule.severity,
      file: of.file,
      ...(place ?? of.placeOf(path)),
      message,
      right: right ?? rule.right,
      object: { kind, namespace, name },
    })
  }

  valueAt(...path: (string | number)[]): unknown {
    return valueAt(this.manifest.value, ...path.map(String))
  }

  /** The text at a path; empty where there is none. Something else than a text is a finding. */
  textAt(...path: (string | number)[]): string {
    const value = this.valueAt(...path)
    if (value === undefined || value === null) return ''
    if (typeof value === 'string') return value
    if (typeof value === 'number' || typeof value === 'boolean') return String(value)
    this.add('KM006', `${path.join('.')} is not a text`, { path })
    return ''
  }

  recordAt(...path: (string | number)[]): Record<string, unknown> | undefined {
    return recordOf(this.valueAt(...path))
  }

  listAt(...path: (string | number)[]): readonly unknown[] {
    return listOf(this.valueAt(...path)) ?? []
  }

  /** A mapping of texts, such as labels. */
  textsAt(...path: (string | number)[]): Record<string, string> {
    const value = this.valueAt(...path)
    if (value === undefined || value === null) return {}
    const record = recordOf(value)
    if (record === undefined) this.add('KM006', `${path.join('.')} is not a mapping`, { path })
    const texts: [string, string][] = []
    for (const [key, one] of Object.entries(record ?? {})) {
      const text = stringOf(one)
      if (text === undefined) this.add('KM006', `${path.join('.')}.${key} is not a text`, { path: [...path, key] })
      else texts.push([key, text])
    }
    return Object.fromEntries(texts)
  }
}
