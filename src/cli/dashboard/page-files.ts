import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { runProgram } from '#lib'

export interface PageFile {
  type: string
  body: string
}

const types: Readonly<Record<string, string>> = {
  html: 'text/html; charset=utf-8',
  css: 'text/css; charset=utf-8',
  svg: 'image/svg+xml',
  // Modules without their types, line for line as in the source.
  ts: 'text/javascript; charset=utf-8',
}

/** What page and `keymount status` share, beside the files of `page`. */
const shared = ['filter.ts', 'short-age.ts', 'views.ts']

/** Everything that the page consists of, by its path. */
export async function readPageFiles(): Promise<ReadonlyMap<string, PageFile>> {
  const page = join(import.meta.dirname, 'page')
  const status = join(import.meta.dirname, '../status')
  const files = new Map([
    ...readdirSync(page)
      .filter((name) => Object.hasOwn(types, extension(name)) && !name.endsWith('.d.ts'))
      .map((name) => [`/app/dashboard/page/${name}`, readFileSync(join(page, name), 'utf8')] as const),
    ...shared.map((name) => [`/app/status/${name}`, readFileSync(join(status, name), 'utf8')] as const),
  ])
  const modules = [...files].filter(([path]) => extension(path) === 'ts')
  const stripped = await stripTypes(modules.map(([, source]) => source))
  for (const [i, [path]] of modules.entries()) files.set(path, stripped[i] ?? '')
  return new Map([...files].map(([path, body]) => [path, { type: types[extension(path)] ?? 'text/plain', body }]))
}

const strip = `
const { stripTypeScriptTypes } = require('node:module')
const sources = JSON.parse(require('node:fs').readFileSync(0, 'utf8'))
process.stdout.write(JSON.stringify(sources.map((source) => stripTypeScriptTypes(source))))`

/** In a process of its own: the parser that Node loads for it takes 12 MiB, which the dashboard would never need again. */
async function stripTypes(sources: readonly string[]): Promise<string[]> {
  const { status, stdout, stderr } = await runProgram({
    program: process.execPath,
    args: ['--disable-warning=ExperimentalWarning', '-e', strip],
    input: JSON.stringify(sources),
  })
  if (status !== 0) throw new Error(`the modules of the page cannot be prepared: ${stderr}`)
  return JSON.parse(stdout) as string[]
}

function extension(name: string): string {
  return name.slice(name.lastIndexOf('.') + 1)
}
