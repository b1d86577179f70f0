import { fieldOf, templateNames } from '#lib/template'
import { type ClassFiles, templateSources } from './class-files.ts'
import type { ClassSpec } from './class-spec.ts'
import type { Findings } from './finding.ts'

/** Names in templates, each once, that no object of the class can give: a mount fails at them, or they are never true. */
export function checkTemplateNames(spec: ClassSpec, findings: Findings): void {
  const sources = templateSources(spec)
  // What a select finds, only the vault knows.
  if (sources.open || spec.templates.length === 0) return
  const fields = fieldsOf(sources)
  const candidates = [...sources.names, ...fields]
  const reported = new Set<string>()
  for (const { path, template } of spec.templates) {
    for (const { kind, name, optional, position } of templateNames(template)) {
      const isKnown = kind === 'set' || (kind === 'file' ? sources.has(name) : fields.has(name) || sources.has(name))
      const id = `${optional} ${name}`
      if (isKnown || reported.has(id)) continue
      reported.add(id)
      const where = `line ${position.line}, column ${position.column}`
      const near = findings.nearest(name, candidates)
      const hint = near === undefined ? '' : `; did you mean ${near}?`
      findings.add(optional ? undefined : 'mount', {
        path: `spec.parameters.${path}.template`,
        message: `${where}: no object of the class is "${name}"${hint}`,
      })
    }
  }
}

/** With those of the files that the provider may write beside the one of a certificate. */
function fieldsOf({ names }: ClassFiles): ReadonlySet<string> {
  return new Set(names.flatMap((name) => ['', '.crt', '.key'].map((suffix) => fieldOf(`${name}${suffix}`))))
}
