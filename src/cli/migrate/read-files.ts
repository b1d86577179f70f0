import { type LintFile, type Manifest, readManifests } from '#azure/lint'
import { countOf } from '#terminal'
import { readInput } from '../lint/read-input.ts'
import { upstreamValues } from './helm-values/upstream-values.ts'
import type { SourceCommand } from './migrate-options.ts'

export interface ReadManifests {
  manifests: readonly Manifest[]
  /** By the name of the file. */
  texts: ReadonlyMap<string, string>
  /** What could not be read: each a line. */
  problems: readonly string[]
}

/** The objects of files and directories, by the reader of `keymount lint`. */
export async function readFiles({ paths, world }: Pick<SourceCommand, 'paths' | 'world'>): Promise<ReadManifests> {
  const kubernetes = { major: 1, minor: 34 }
  const { files, skippedCharts } = await readInput({
    paths,
    helm: false,
    kustomize: false,
    values: [],
    kubernetes,
    world,
  })
  const read = readTexts(files)
  if (skippedCharts.length === 0) return read
  const skipped = `${countOf(skippedCharts.length, 'chart')} not read (${skippedCharts.slice(0, 3).join(', ')}): helm template CHART | keymount migrate - -o DIR`
  return { ...read, problems: [...read.problems, skipped] }
}

/** The objects of texts. */
export function readTexts(files: readonly LintFile[]): ReadManifests {
  const problems: string[] = []
  const manifests = files.flatMap(({ name, text, problem }) => {
    if (problem !== undefined) {
      problems.push(`${name}: ${problem}`)
      return []
    }
    const read = readManifests(name, text, (value) => upstreamValues(value, name))
    for (const { line, column, message } of read.unreadable) problems.push(`${name}:${line}:${column}: ${message}`)
    return read.manifests
  })
  return { manifests, texts: new Map(files.map(({ name, text }) => [name, text])), problems }
}
