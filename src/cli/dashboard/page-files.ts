import { readdirSync, readFileSync } from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'
import { join } from 'node:path'

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
export function readPageFiles(): ReadonlyMap<string, PageFile> {
  const page = join(import.meta.dirname, 'page')
  const status = join(import.meta.dirname, '../status')
  return new Map([
    ...readdirSync(page)
      .filter((name) => Object.hasOwn(types, extension(name)) && !name.endsWith('.d.ts'))
      .map((name) => [`/app/dashboard/page/${name}`, readPageFile(join(page, name))] as const),
    ...shared.map((name) => [`/app/status/${name}`, readPageFile(join(status, name))] as const),
  ])
}

function readPageFile(path: string): PageFile {
  const source = readFileSync(path, 'utf8')
  const kind = extension(path)
  return { type: types[kind] ?? 'text/plain', body: kind === 'ts' ? stripTypeScriptTypes(source) : source }
}

function extension(name: string): string {
  return name.slice(name.lastIndexOf('.') + 1)
}
