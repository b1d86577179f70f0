import { lint, type Manifest } from '#azure/lint'
import { printManifests } from '../manifests/print-manifests.ts'
import { entryComments } from './comments.ts'
import type { Draft } from './draft.ts'
import type { Input } from './input.ts'
import { isName } from './is-name.ts'
import type { ConvertOptions, SourceName } from './migrate-options.ts'
import { commonRules } from './rule.ts'
import type { Source } from './source.ts'
import { sources } from './sources/index.ts'
import { type MigrateFinding, Work } from './work.ts'

/** A file of the output. */
export interface OutputFile {
  /** Below the output directory. */
  path: string
  text: string
  draft: Draft
}

/** What became of one object of the input. */
export interface Outcome {
  source: Source
  manifest: Manifest
  /** `absorbed`: goes into others, such as a store. */
  result: 'converted' | 'changed' | 'unchanged' | 'absorbed' | 'left out'
  file: OutputFile | undefined
  findings: readonly MigrateFinding[]
}

export interface Converted {
  outcomes: readonly Outcome[]
  files: readonly OutputFile[]
  findings: readonly MigrateFinding[]
}

export interface ConvertInput {
  manifests: readonly Manifest[]
  /** Texts of the files, for comments. */
  texts: ReadonlyMap<string, string>
  from: SourceName | 'auto'
  options: ConvertOptions
  keysOfSecret: Input['keysOfSecret']
}

/** Converts every object that is of one of the sources. Pure: the same input gives the same output, and nothing is written. */
export function convert({ manifests, texts, from, options, keysOfSecret }: ConvertInput): Converted {
  const commentsOf = new Map<string, ReturnType<typeof entryComments>>()
  const input: Input = {
    manifests,
    options,
    named: nameLookup(manifests),
    keysOfSecret,
    commentAt(manifest, path) {
      const { file } = manifest
      const known = commentsOf.get(file) ?? entryComments(texts.get(file) ?? '')
      commentsOf.set(file, known)
      return known(manifest, path)
    },
  }
  const chosen = sources.filter(({ name }) => from === 'auto' || from === name)
  const works = manifests.flatMap((manifest) => {
    const source = chosen.find((one) => one.owns(manifest, from !== 'auto'))
    return source === undefined ? [] : [{ source, work: workOf(manifest, source) }]
  })
  const drafts = works.map(({ source, work }) => ({ source, work, draft: convertOne(source, work, input) }))
  refuseTwice(drafts)
  const files = withoutCollisions(drafts)
  refuseInvalid(files)
  refuseDependents(drafts)
  const left = files.filter(({ draft }) => !draft.work.failed)
  const outcomes = drafts.map(({ source, work, draft }) => outcomeOf(source, work, draft, left))
  return { outcomes, files: left, findings: outcomes.flatMap(({ findings }) => findings) }
}

/** Rules of a source and those of all. */
export function rulesOf(source: Source) {
  return { ...commonRules, ...source.rules }
}

function workOf(manifest: Manifest, source: Source): Work {
  return new Work(manifest, rulesOf(source))
}

function nameLookup(manifests: readonly Manifest[]): Input['named'] {
  const byName = new Map<string, Manifest[]>()
  for (const one of manifests) {
    const key = `${one.kind} ${one.name}`
    const found = byName.get(key)
    if (found === undefined) byName.set(key, [one])
    else found.push(one)
  }
  return (kind, name, { namespace }) => {
    const found = byName.get(`${kind} ${name}`) ?? []
    const same = found.filter((one) => one.namespace === namespace)
    // A manifest without a namespace gets it when it is applied.
    return same.length > 0 ? same : found.filter((one) => one.namespace === '' || namespace === '')
  }
}

function convertOne(source: Source, work: Work, input: Input): Draft | undefined {
  const { name, namespace } = work.manifest
  if (!isName(name)) work.add('KM004', 'metadata.name is not valid', { path: ['metadata', 'name'] })
  if (namespace !== '' && !isName(namespace))
    work.add('KM004', 'metadata.namespace is not valid', { path: ['metadata', 'namespace'] })
  const draft = work.failed ? undefined : source.convert(work, input)
  const wrong = draft?.makes.find((one) => !isName(one.name))
  if (wrong !== undefined) work.add('KM004', `the ${wrong.kind} would have a name that is not valid`)
  return work.failed ? undefined : draft
}

interface OfSource {
  source: Source
  work: Work
  draft: Draft | undefined
}

/** Of objects that would become one, none is written: which of them is meant is not known. */
function refuseTwice(drafts: readonly OfSource[]): void {
  const first = new Map<string, Draft>()
  for (const { draft } of drafts) {
    if (draft === undefined || draft.work.failed) continue
    const { namespace } = draft.work.manifest
    for (const { kind, name } of draft.makes) {
      const key = `${kind} ${namespace}/${name}`
      const other = first.get(key)
      if (other === undefined) first.set(key, draft)
      else if (other !== draft) {
        const of = ({ work }: Draft) => `${work.manifest.kind} "${work.manifest.name}"`
        draft.work.add('KM003', `${of(other)} becomes the ${kind} "${name}", too`)
        other.work.add('KM003', `${of(draft)} becomes the ${kind} "${name}", too`)
      }
    }
  }
}

/** Gives each object a file of its own; of a name that two objects have, the second one gets a number. */
function withoutCollisions(drafts: readonly OfSource[]): OutputFile[] {
  const taken = new Set<string>()
  return drafts.flatMap(({ draft }) => {
    if (draft === undefined || draft.work.failed) return []
    const { kind, name, namespace } = draft.work.manifest
    const folder = namespace === '' ? '' : `${pathPart(namespace)}/`
    const base = `${folder}${pathPart(kind)}-${pathPart(name)}`
    const { extension = '.yaml' } = draft
    let path = `${base}${extension}`
    for (let number = 2; taken.has(path); number++) path = `${base}-${number}${extension}`
    taken.add(path)
    return [{ path, text: textOf(draft), draft }]
  })
}

/** Names were checked; what is left to replace is of placeholders. */
function pathPart(name: string): string {
  return name
    .toLowerCase()
    .replaceAll(/[^a-z0-9.-]+/g, '_')
    .slice(0, 100)
}

function textOf({ documents }: Draft): string {
  return documents.map((one) => ('text' in one ? one.text : printManifests([one]))).join('---\n')
}

/** What lint calls an error is not written; objects that stay as they are keep what lint finds as a remark. */
function refuseInvalid(files: readonly OutputFile[]): void {
  const byPath = new Map(files.map((file) => [file.path, file]))
  const manifests = files.filter(({ draft }) => draft.extension === undefined)
  const { findings } = lint(
    manifests.map(({ path, text }) => ({ name: path, text })),
    { kubernetes: { major: 1, minor: 34 } },
  )
  for (const { file, severity, id, message, right } of findings) {
    const work = byPath.get(file)?.draft
    if (work === undefined || severity === 'info') continue
    const text = `${id}: ${message}`.replaceAll(/\s+/g, ' ').slice(0, 400)
    if (work.how === 'unchanged') work.work.add('KM010', text, { right })
    else if (severity === 'error') work.work.add('KM002', text)
  }
}

/** What refers to an object that is left out is left out, too. */
function refuseDependents(drafts: readonly OfSource[]): void {
  const workOf = new Map(drafts.map(({ work }) => [work.manifest, work]))
  // A reference to a reference does not exist: one pass is enough.
  for (const { draft } of drafts)
    for (const needed of draft?.needs ?? [])
      if (workOf.get(needed)?.failed === true)
        draft?.work.add('KM011', `it reads ${needed.kind} "${needed.name}", which is left out`)
}

function outcomeOf(source: Source, work: Work, draft: Draft | undefined, left: readonly OutputFile[]): Outcome {
  const file = draft === undefined || work.failed ? undefined : left.find((one) => one.draft === draft)
  const result = work.failed ? 'left out' : (draft?.how ?? 'absorbed')
  return { source, manifest: work.manifest, result, file, findings: work.findings }
}
