/** Everything that `npm run generate` writes is current, and the reference of classes agrees with the parser. */
import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { parse, parseAllDocuments } from 'yaml'
import { z } from 'zod'
import {
  checkClass,
  classParameters,
  type Finding,
  jsonPathFields,
  type ObjectFieldRow,
  objectFields,
  type ParameterRow,
  selectFields,
  templateFields,
} from '#azure/class'
import {
  classWith,
  fieldValue,
  findingsOf,
  invalidValue,
  isOfSelect,
  parameterWith,
} from '../scripts/pages/class-example.ts'
import { classSchema } from '../scripts/pages/class-schema.ts'
import { generatedFiles } from '../scripts/pages/index.ts'
import { metricTables } from '../scripts/pages/metrics-page.ts'

const root = join(import.meta.dirname, '..')

for (const [path, render] of Object.entries(generatedFiles)) {
  test(`${path} is what npm run generate writes`, async () => {
    assert.equal(readFileSync(join(root, path), 'utf8'), await render())
  })
}

test('metric names are unique over all programs that share a page', async () => {
  const tables = await metricTables()
  assert.ok(tables.size >= 5, `found only ${[...tables.keys()].join(', ')}`)
  for (const [name, table] of tables) {
    const names = Object.values(table).map((one) => one.name)
    assert.equal(new Set(names).size, names.length, name)
  }
})

const refusals = (findings: readonly Finding[]) => findings.filter(({ fails }) => fails !== undefined)

test('the example of every parameter is accepted, and what the reference calls an error is one', () => {
  for (const [name, row] of Object.entries(classParameters) as [string, ParameterRow][]) {
    assert.deepEqual(refusals(findingsOf({ parameters: parameterWith(name, row.example) })), [], name)
    const bad = invalidValue(name, row.type)
    if (bad !== undefined) assert.notDeepEqual(refusals(findingsOf({ parameters: parameterWith(name, bad) })), [], name)
    if (row.missing !== undefined)
      assert.match(String(findingsOf({ parameters: { [name]: '' } })[0]?.message), new RegExp(row.missing))
  }
})

/** `all` is without the pattern that the example's class has otherwise. */
const usual = (fields: object) => ('all' in fields ? { namePattern: '' } : {})

test('the example of every field is accepted, and what the reference calls an error is one', () => {
  const tables = [
    [objectFields, (fields: object) => (isOfSelect(fields) ? { entry: { ...fields } } : { object: { ...fields } })],
    [jsonPathFields, (fields: object) => ({ object: { jsonPath: [{ path: '$.password', ...fields }] } })],
    [selectFields, (fields: object) => ({ select: { ...usual(fields), ...fields } })],
    [templateFields, (fields: object) => ({ template: { ...fields } })],
  ] as const
  for (const [table, changes] of tables) {
    for (const [name, row] of Object.entries(table) as [string, ObjectFieldRow][]) {
      const good = changes({ [name]: fieldValue(row.type, row.example) })
      assert.deepEqual(refusals(findingsOf(good)), [], name)
      const bad = invalidValue(name, row.type)
      if (bad !== undefined) assert.notDeepEqual(refusals(findingsOf(changes({ [name]: bad }))), [], name)
    }
  }
})

const schema = classSchema() as Parameters<typeof z.fromJSONSchema>[0] & { $defs: Record<string, object> }
const classes = z.fromJSONSchema(schema)
const objects = z.fromJSONSchema({ $defs: schema.$defs, $ref: '#/$defs/objects' } as typeof schema)

test('the schema accepts every class of the examples', () => {
  const files = globSync('examples/**/*.yaml', { cwd: root })
  const found = files
    .flatMap((file) => [...parseAllDocuments(readFileSync(join(root, file), 'utf8'))])
    .map((document) => document.toJS())
    .filter(({ kind, spec }) => kind === 'SecretProviderClass' && spec.provider === 'azure')
  assert.ok(found.length > 5)
  for (const object of found) {
    assert.deepEqual(classes.safeParse(object).error?.issues ?? [], [], object.metadata.name)
    assert.deepEqual(
      objects.safeParse(parse(object.spec.parameters.objects)).error?.issues ?? [],
      [],
      object.metadata.name,
    )
  }
})

test('the schema accepts a class with every parameter and field, and refuses what the parser refuses by type', () => {
  const parameters = Object.entries(classParameters) as [string, ParameterRow][]
  const all = Object.fromEntries(parameters.map(([name, row]) => [name, row.example]))
  assert.ok(classes.safeParse(classWith({ parameters: all })).success)
  for (const [name, { type }] of parameters.filter(([, row]) =>
    ['boolean', 'duration', 'owner', 'name'].includes(row.type),
  )) {
    const wrong = classWith({ parameters: { [name]: invalidValue(name, type) ?? '' } })
    assert.equal(classes.safeParse(wrong).success, false, name)
    assert.notDeepEqual(checkClass(wrong), [], name)
  }
  for (const [name, row] of Object.entries(objectFields) as [string, ObjectFieldRow][]) {
    const base = isOfSelect({ [name]: '' }) ? { select: { all: true } } : { objectName: 'a', objectType: 'secret' }
    assert.ok(objects.safeParse([{ ...base, [name]: fieldValue(row.type, row.example) }]).success, name)
    if (['choice', 'integer', 'octal'].includes(row.type))
      assert.equal(objects.safeParse([{ ...base, [name]: invalidValue(name, row.type) }]).success, false, name)
  }
})
