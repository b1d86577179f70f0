import { closeSync, existsSync, openSync, readdirSync, readSync, statSync } from 'node:fs'
import { extname, join } from 'node:path'
import { type LintFile, lintLimits } from '#azure/lint'
import { beyondLimit, errorCode } from '#lib'
import { CliError } from '#terminal'
import type { InputOptions } from './lint-options.ts'
import { renderChart, renderKustomization } from './render.ts'

export interface LintInput {
  files: readonly LintFile[]
  /** Directories of charts whose templates were not read. */
  skippedCharts: readonly string[]
}

/** Of the files that are read in directories. */
export const manifestExtensions: readonly string[] = ['.yaml', '.yml', '.json']
const kustomizations = ['kustomization.yaml', 'kustomization.yml', 'Kustomization']

/** Reads what the paths name. Throws {@link CliError} for a path that does not exist and for a chart that cannot be rendered. */
export async function readInput(command: InputOptions): Promise<LintInput> {
  const found: Found = { files: [], charts: [], kustomizations: [] }
  let standardInput = false
  for (const path of command.paths) {
    if (path === '-') standardInput = true
    else if (statOf(path).isDirectory()) walk(path, found, command, 0)
    else found.files.push(path)
  }
  const files = [...new Set(found.files)].map(readText)
  if (standardInput) files.push({ name: '<stdin>', text: decoded(await readStandardInput()) })
  for (const directory of command.helm ? found.charts : []) files.push(...(await renderChart(directory, command)))
  for (const directory of found.kustomizations) files.push(await renderKustomization(directory, command))
  return { files, skippedCharts: command.helm ? [] : found.charts }
}

interface Found {
  files: string[]
  charts: string[]
  kustomizations: string[]
}

function statOf(path: string) {
  try {
    return statSync(path)
  } catch (error) {
    const why = errorCode(error) === 'ENOENT' ? 'there is no such file or directory' : (errorCode(error) ?? '')
    throw new CliError({
      what: `Cannot read ${path}`,
      why,
      fix: ['name a file, a directory, or - for standard input'],
      code: 'usage',
    })
  }
}

const maxDepth = 50
const maxFiles = 50_000

/** Hidden folders, packages and links are left out: what they lead to is not part of the directory. */
function walk(directory: string, found: Found, command: InputOptions, depth: number): void {
  const has = (name: string) => existsSync(join(directory, name))
  if (has('Chart.yaml')) {
    found.charts.push(directory)
    return
  }
  if (command.kustomize && kustomizations.some(has)) {
    found.kustomizations.push(directory)
    return
  }
  if (depth > maxDepth) return
  const entries = readdirSync(directory, { withFileTypes: true }).toSorted((a, b) => (a.name < b.name ? -1 : 1))
  for (const entry of entries) {
    const path = join(directory, entry.name)
    if (entry.name.startsWith('.') || entry.name === 'node_modules') continue
    if (entry.isDirectory()) walk(path, found, command, depth + 1)
    else if (entry.isFile() && manifestExtensions.includes(extname(entry.name))) found.files.push(path)
  }
  if (found.files.length > maxFiles)
    throw new CliError({
      what: `There are more than ${maxFiles} files below ${directory}`,
      fix: ['name the directories that hold manifests'],
      code: 'usage',
    })
}

function readText(name: string): LintFile {
  const { size } = statOf(name)
  // A file that is too large is reported without being read.
  if (size > lintLimits.fileBytes.value) return { name, text: '', problem: beyondLimit(lintLimits.fileBytes, size) }
  const bytes = readAtMost(name, lintLimits.fileBytes.value)
  if (bytes === undefined) {
    return { name, text: '', problem: beyondLimit(lintLimits.fileBytes, lintLimits.fileBytes.value + 1) }
  }
  return { name, ...textOf(bytes) }
}

/** Undefined for more bytes: a device or a pipe has no size, and may never end. */
function readAtMost(name: string, maxBytes: number): Uint8Array | undefined {
  const file = openSync(name, 'r')
  try {
    const chunks: Uint8Array[] = []
    let size = 0
    for (;;) {
      const chunk = Buffer.alloc(64 * 1024)
      const count = readSync(file, chunk)
      if (count === 0) return Buffer.concat(chunks)
      size += count
      if (size > maxBytes) return undefined
      chunks.push(chunk.subarray(0, count))
    }
  } finally {
    closeSync(file)
  }
}

function textOf(bytes: Uint8Array): { text: string; problem?: string } {
  try {
    return { text: decoded(bytes) }
  } catch {
    const isWide = (bytes[0] === 0xff && bytes[1] === 0xfe) || (bytes[0] === 0xfe && bytes[1] === 0xff)
    const found = isWide ? 'UTF-16' : 'bytes that are not UTF-8'
    return { text: '', problem: `is not text: found ${found}, expected YAML or JSON in UTF-8` }
  }
}

function decoded(bytes: Uint8Array): string {
  return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
}

async function readStandardInput(): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of process.stdin as AsyncIterable<Uint8Array>) {
    size += chunk.length
    if (size > lintLimits.fileBytes.value)
      throw new CliError({
        what: 'Standard input is too long',
        why: beyondLimit(lintLimits.fileBytes, size),
        code: 'usage',
      })
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}
