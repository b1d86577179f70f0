import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { test } from 'node:test'
import { parse } from 'yaml'
import { chartDirectory } from './helm.ts'

const text = readFileSync(resolve(import.meta.dirname, '../../../docs/configuration.md'), 'utf8')
const values = parse(readFileSync(join(chartDirectory, 'values.yaml'), 'utf8')) as Record<string, unknown>

/** The text from a heading to the next one. */
function section(heading: string): string {
  const found = text.split(/^## /m).find((part) => part.startsWith(`${heading}\n`))
  assert.ok(found !== undefined, `docs/configuration.md has no section "${heading}"`)
  return found
}

/** The rows of a section's first table: name → the other cells. */
function rows(heading: string): Map<string, string[]> {
  const lines = section(heading).match(/^\| `.*$/gm) ?? []
  return new Map(
    lines.map((line) => {
      const [name = '', ...cells] = line.split('|').slice(1, -1)
      return [name.trim().replaceAll('`', ''), cells.map((cell) => cell.trim())]
    }),
  )
}

const codeOf = (cell: string | undefined) => /^`(.*)`$/.exec(cell ?? '')?.[1]

/** A cell in code is the default itself, as YAML; any other cell describes it. */
function assertDefault(name: string, cell: string | undefined, actual: unknown): void {
  const code = codeOf(cell)
  if (code !== undefined) assert.deepEqual(parse(code), actual, `docs/configuration.md gives ${name} another default`)
}

/** Dotted names of values, down to those that have a row. */
function leaves(node: unknown, known: Map<string, unknown>, path = ''): string[] {
  if (known.has(path) || typeof node !== 'object' || node === null || Array.isArray(node)) return [path]
  return Object.entries(node).flatMap(([key, child]) => leaves(child, known, path === '' ? key : `${path}.${key}`))
}

const at = (node: unknown, path: string) =>
  path.split('.').reduce<unknown>((found, key) => (found as Record<string, unknown> | undefined)?.[key], node)

test('docs/configuration.md has every value for everything, with its default', () => {
  const table = rows('Values for everything')
  const { linux: _, windows: __, ...general } = values
  assert.deepEqual([...table.keys()].toSorted(), leaves(general, table).toSorted())
  for (const [name, [cell]] of table) assertDefault(name, cell, at(values, name))
})

test('docs/configuration.md has every value for the nodes of an OS, with its default', () => {
  const table = rows('Values for the nodes of an OS')
  for (const [column, os] of (['linux', 'windows'] as const).entries()) {
    const present = [...table].filter(([, cells]) => cells[column] !== 'none')
    assert.deepEqual(present.map(([name]) => name).toSorted(), leaves(values[os], table).toSorted())
    for (const [name, cells] of present) assertDefault(`${os}.${name}`, cells[column], at(values[os], name))
  }
})
