// Finds regular expressions of product code whose time can grow faster than the text they are applied to: a tenant writes
// much of that text. `npm run check` runs it.
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { reasonsAgainst } from './linear-expressions.ts'
import { expressionsOf, lineFinder } from './read-prose.ts'

/** Expressions that are right, each with its reason. */
const allowed: readonly { path: string; expression: string; why: string }[] = []

const root = join(import.meta.dirname, '..')
const used = new Set<(typeof allowed)[number]>()

const files = globSync('src/{azure,daemon,kubernetes,lib,product}/**/*.ts', { cwd: root })
  .filter((path) => !/\.test\.ts$|\/generated\//.test(path))
  .toSorted()
const findings = files.flatMap(findingsIn)
for (const { place, expression, reason } of findings) console.error(`${place}: ${expression}\n    ${reason}`)
const unused = allowed.filter((one) => !used.has(one))
for (const { path, expression } of unused) console.error(`${path}: the exception for ${expression} is not used`)
process.exitCode = findings.length + unused.length > 0 ? 1 : 0

interface Finding {
  place: string
  expression: string
  reason: string
}

function findingsIn(path: string): Finding[] {
  const text = readFileSync(join(root, path), 'utf8')
  const lineAt = lineFinder(text)
  return expressionsOf(text).flatMap(({ offset, text: expression }) => {
    const exception = allowed.find((one) => one.path === path && one.expression === expression)
    if (exception !== undefined) {
      used.add(exception)
      return []
    }
    return reasonsAgainst(expression).map((reason) => ({ place: `${path}:${lineAt(offset)}`, expression, reason }))
  })
}
