import { createHash } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'
import type { SelectSpec, TemplateSpec } from '#azure/class'
import { beyondLimit } from '#lib'
import { renderTemplate, TemplateError, templateFiles, templateLimits } from '#lib/template'
import type { CountedBytes } from './byte-budget.ts'
import { MountError } from './mount-error.ts'
import type { ObjectFile } from './read-object.ts'

export interface TemplateFilesOptions {
  templates: readonly TemplateSpec[]
  /** Whose sets templates can use. */
  selects: readonly SelectSpec[]
  /** What templates can use: every file that was read. */
  sources: readonly ObjectFile[]
  defaultMode: number
  bytes: CountedBytes
}

/** The files of the templates of a class. Throws {@link MountError}, which names template, line and what is missing. */
export async function makeTemplateFiles(options: TemplateFilesOptions): Promise<ObjectFile[]> {
  const { templates, selects, sources, defaultMode, bytes } = options
  if (templates.length === 0) return []
  const byPath = new Map(sources.map((file) => [file.path, file]))
  const sets = new Map(
    selects.flatMap(({ setName, path }) =>
      setName === ''
        ? []
        : [[setName, sources.filter(({ entry }) => entry === path).map((file) => file.path)] as const],
    ),
  )
  const files = templateFiles(new Map(sources.map((file) => [file.path, file.contents])), sets)
  const { templateStepsOfClass } = templateLimits
  const made: ObjectFile[] = []
  let steps = 0
  for (const { path: entry, fileName, mode, template } of templates) {
    // A template may take some milliseconds: others have a turn between two.
    await setImmediate()
    const { contents, used, steps: taken } = rendered(entry, fileName, () => renderTemplate(template, files))
    steps += taken
    if (steps > templateStepsOfClass.value)
      throw new MountError('template-failed', `templates: ${beyondLimit(templateStepsOfClass, Math.ceil(steps))}`)
    bytes.add(contents.size + 2 * fileName.length)
    const version = versionOf(template.text, used, byPath)
    const objectId = `template/${fileName}`
    made.push({ path: fileName, mode: mode ?? defaultMode, contents, objectId, version, entry, onlyTemplates: false })
  }
  return made
}

function rendered<T>(entry: string, fileName: string, render: () => T): T {
  try {
    return render()
  } catch (error) {
    if (!(error instanceof TemplateError)) throw error
    throw new MountError('template-failed', `template "${fileName}" (${entry}): ${error.message}`)
  }
}

/** Changes with the text and with each version that the file was made of; what was missing counts too. */
function versionOf(text: string, used: readonly string[], files: ReadonlyMap<string, ObjectFile>): string {
  const parts = used.map((name) => [name, files.get(name)?.objectId, files.get(name)?.version])
  return createHash('sha256')
    .update(JSON.stringify([text, parts]))
    .digest('hex')
    .slice(0, 32)
}
