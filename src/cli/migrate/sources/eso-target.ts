import { refusedSecretTypes } from '#kubernetes/client'
import { beyondLimit } from '#lib'
import { migrateLimits } from '../migrate-limits.ts'
import type { Work } from '../work.ts'
import { type TranslatedTemplate, translateTemplate } from './eso-template.ts'

export interface TargetTemplate extends TranslatedTemplate {
  /** Of the Secret. */
  key: string
}

/** The Secret that an ExternalSecret asks for. */
export interface Target {
  name: string
  type: string
  labels: Record<string, string>
  annotations: Record<string, string>
  templates: readonly TargetTemplate[]
  /** Whether keys without a template stay beside those of the templates. */
  keepsOthers: boolean
  /** Of the templates. */
  path: readonly string[]
}

const base = ['spec', 'target'] as const
const templatePath = [...base, 'template'] as const

export function readTarget(work: Work): Target {
  const policy = work.textAt(...base, 'creationPolicy')
  if (!['', 'Owner'].includes(policy))
    work.add('KM117', creationDifference(policy), { path: [...base, 'creationPolicy'] })
  const deletion = work.textAt(...base, 'deletionPolicy')
  if (!['', 'Retain'].includes(deletion))
    work.add('KM118', `deletionPolicy ${deletion.slice(0, 60)}`, { path: [...base, 'deletionPolicy'] })
  if (work.valueAt(...base, 'immutable') === true)
    work.add('KM119', 'the Secret is immutable', { path: [...base, 'immutable'] })
  const hasTemplate = work.recordAt(...templatePath) !== undefined
  const type = work.textAt(...templatePath, 'type') || 'Opaque'
  if (refusedSecretTypes.has(type))
    work.add('KM007', `the Secret has the type ${type}`, { path: [...templatePath, 'type'] })
  return {
    name: work.textAt(...base, 'name') || work.manifest.name,
    type,
    // Without a template the operator copies its own.
    ...(hasTemplate ? templateMetadata(work) : ownMetadata(work)),
    templates: hasTemplate ? readTemplates(work) : [],
    keepsOthers: work.textAt(...templatePath, 'mergePolicy') === 'Merge',
    path: [...templatePath, 'data'],
  }
}

function creationDifference(policy: string): string {
  const differences: Readonly<Record<string, string>> = {
    Orphan: 'creationPolicy Orphan leaves the Secret when the ExternalSecret is deleted',
    Merge: 'creationPolicy Merge adds keys to a Secret that something else makes',
    CreateOrMerge: 'creationPolicy CreateOrMerge adds keys to a Secret that may be of something else',
    None: 'creationPolicy None makes no Secret',
  }
  return differences[policy] ?? `creationPolicy ${policy.slice(0, 60)} is not known`
}

/** Annotations about the tool that applied the ExternalSecret. */
const ofTools =
  /^(?:kubectl\.kubernetes\.io|meta\.helm\.sh|argocd\.argoproj\.io|kustomize\.toolkit\.fluxcd\.io|keymount\.dev)\//

function ownMetadata(work: Work): Pick<Target, 'labels' | 'annotations'> {
  const annotations = Object.entries(work.textsAt('metadata', 'annotations')).filter(([name]) => !ofTools.test(name))
  return { labels: work.textsAt('metadata', 'labels'), annotations: Object.fromEntries(annotations) }
}

function templateMetadata(work: Work): Pick<Target, 'labels' | 'annotations'> {
  const read = (field: 'labels' | 'annotations') => {
    const texts = work.textsAt(...templatePath, 'metadata', field)
    const path = [...templatePath, 'metadata', field]
    for (const [name, text] of Object.entries(texts))
      if (text.includes('{{')) work.add('KM122', `${field} "${name}" is a template`, { path: [...path, name] })
    return texts
  }
  return { labels: read('labels'), annotations: read('annotations') }
}

function readTemplates(work: Work): TargetTemplate[] {
  if (!['', 'v2'].includes(work.textAt(...templatePath, 'engineVersion')))
    work.add('KM122', 'engineVersion is not v2', { path: [...templatePath, 'engineVersion'] })
  const merge = work.textAt(...templatePath, 'mergePolicy')
  if (!['', 'Replace', 'Merge'].includes(merge))
    work.add('KM122', 'mergePolicy is not known', { path: [...templatePath, 'mergePolicy'] })
  if (work.listAt(...templatePath, 'templateFrom').length > 0)
    work.add('KM121', 'templateFrom', { path: [...templatePath, 'templateFrom'] })
  const texts = Object.entries(work.textsAt(...templatePath, 'data'))
  const bytes = texts.reduce((sum, [, text]) => sum + Buffer.byteLength(text), 0)
  if (bytes > migrateLimits.templateBytes.value) {
    work.add('KM002', beyondLimit(migrateLimits.templateBytes, bytes), { path: [...templatePath, 'data'] })
    return []
  }
  return texts.flatMap(([key, text]) => {
    const translated = translateTemplate(text)
    if ('text' in translated) return [{ ...translated, key }]
    const place = placeOfLine(work, [...templatePath, 'data', key], translated.line)
    work.add('KM120', `"${key}": ${translated.fault}`, { place, path: [...templatePath, 'data', key] })
    return []
  })
}

/** The line of a text of the manifest, as far as its lines are lines of the file. */
function placeOfLine({ manifest }: Work, path: readonly string[], line: number) {
  const placed = manifest.textAt(path)
  if (placed === undefined) return undefined
  let offset = 0
  for (let left = line; left > 1; left--) {
    const next = placed.text.indexOf('\n', offset)
    if (next < 0) break
    offset = next + 1
  }
  return placed.at(offset)
}
