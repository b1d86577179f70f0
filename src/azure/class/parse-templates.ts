import { beyondLimit, nearestName, type Problems } from '#lib'
import { parseTemplate, type Template, TemplateError, templateBudget, templateNames } from '#lib/template'
import { classLimits } from './class-limits.ts'
import { collidingPaths, fileNameProblem } from './file-name.ts'
import { templateFieldNames } from './object-fields.ts'
import type { TemplateSpec } from './object-spec.ts'
import { parseEntries, type RawObject } from './parse-entries.ts'
import { parseMode, scalarText } from './parse-object.ts'
import { type ClassObjects, filesOf } from './parse-objects.ts'
import { isNull } from './parse-yaml.ts'

/** Reads and checks `templates`. Throws nothing: what is wrong goes to `problems`, with line and column of the template. */
export function parseTemplates(text: string, objects: ClassObjects, problems: Problems): readonly TemplateSpec[] {
  const entries = text.trim() === '' ? [] : parseEntries(text, problems, 'templates')
  const budget = templateBudget()
  const templates = entries.flatMap((entry) => parseEntry(entry, { budget, problems }) ?? [])
  checkSets(templates, objects, problems)
  checkFiles(templates, objects, problems)
  checkUse(entries.length, objects, problems)
  return templates
}

interface Parsing {
  budget: ReturnType<typeof templateBudget>
  problems: Problems
}

function parseEntry({ path, fields }: RawObject, { budget, problems }: Parsing): TemplateSpec | undefined {
  const before = problems.count
  if (fields.size > classLimits.fields.value) {
    problems.add(path, beyondLimit(classLimits.fields, fields.size))
    return undefined
  }
  for (const key of fields.keys()) {
    if ((templateFieldNames as readonly string[]).includes(key)) continue
    const near = nearestName(key, templateFieldNames)
    const hint = near === undefined ? `the fields are ${templateFieldNames.join(', ')}` : `did you mean ${near}?`
    problems.add(path, `unknown field "${key}"; ${hint}`)
  }
  const fileName = scalarText(path, 'fileName', fields.get('fileName'), problems)
  const fault = fileNameProblem(fileName)
  if (fault !== undefined) problems.add(`${path}.fileName`, fault)
  const modeText = scalarText(path, 'filePermission', fields.get('filePermission'), problems)
  const mode = parseMode(modeText, (field, words, detail) =>
    problems.add(`${path}.${field}`, `${words} (${detail ?? ''})`),
  )
  const template = parseText(path, fields, { budget, problems })
  if (template === undefined || problems.count > before) return undefined
  return { path, fileName, mode, template }
}

function parseText(path: string, fields: RawObject['fields'], { budget, problems }: Parsing): Template | undefined {
  const value = fields.get('template')
  const at = `${path}.template`
  if (value === undefined || isNull(value)) problems.add(at, 'missing: it is the text of the file')
  else if (value.kind !== 'scalar') problems.add(at, 'expected a text: write "template: |" and the lines below it')
  else {
    try {
      return parseTemplate(value.text, budget)
    } catch (error) {
      if (!(error instanceof TemplateError)) throw error
      problems.add(at, error.message)
    }
  }
  return undefined
}

/** More of them help no reader, and each costs a comparison with every set. */
const maxUnknownSets = 20

/** Reports each name of no set once, at its first place. */
function checkSets(templates: readonly TemplateSpec[], { selects }: ClassObjects, problems: Problems): void {
  const sets = selects.map(({ setName }) => setName).filter((name) => name !== '')
  const known = new Set(sets)
  let unknown = 0
  for (const { path, template } of templates) {
    for (const { kind, name, position } of templateNames(template)) {
      if (kind !== 'set' || known.has(name)) continue
      if (++unknown > maxUnknownSets) {
        problems.add(
          'templates',
          `more names that no entry of objects has as select.name, beside these ${maxUnknownSets}`,
        )
        return
      }
      known.add(name)
      const near = nearestName(name, sets)
      const hint = near === undefined ? 'name one: select: { name: … }' : `did you mean ${near}?`
      const where = `line ${position.line}, column ${position.column}`
      problems.add(`${path}.template`, `${where}: no entry of objects has select.name "${name}"; ${hint}`)
    }
  }
}

function checkFiles(templates: readonly TemplateSpec[], { objects }: ClassObjects, problems: Problems): void {
  if (templates.length === 0) return
  const own = templates.map(({ fileName }) => fileName)
  const others = new Set(
    objects
      .filter(({ onlyTemplates }) => !onlyTemplates)
      .flatMap((object) => filesOf(object).map(({ fileName }) => fileName)),
  )
  const collision = collidingPaths([...own, ...others])
  if (collision === undefined || !(own.includes(collision.path) || own.includes(collision.other))) return
  const { path, other } = collision
  const text =
    path === other ? `"${path}" is the file of two entries` : `"${other}" is a file and also the folder of "${path}"`
  problems.add('templates', `${text}; give the template another fileName`)
}

function checkUse(count: number, { objects, selects }: ClassObjects, problems: Problems): void {
  const unused = count > 0 ? undefined : [...objects, ...selects].find(({ onlyTemplates }) => onlyTemplates)
  if (unused !== undefined) problems.add(`${unused.path}.only`, 'found templates, but the class has no templates')
}
