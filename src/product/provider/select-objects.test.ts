import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type ClassSpec, classLimits, createObjectsParser, parseParameters } from '#azure/class'
import type { ObjectDetails } from '#azure/keyvault'
import { Problems, systemClock } from '#lib'
import { selectObjects } from './select-objects.ts'

/** Objects that a vault lists. File names with {tag:kind} read their tags: `tagReads` counts the file names that are made. */
function listed(count: number): { objects: readonly ObjectDetails[]; tagReads: () => number } {
  let reads = 0
  const tags = new (class extends Map<string, string> {
    override get(key: string): string | undefined {
      reads++
      return super.get(key)
    }
  })([['kind', 'app']])
  const objects = Array.from({ length: count }, (_, index) => ({
    name: `n${index}`,
    managed: false,
    tags,
    attributes: {},
  }))
  return { objects: objects as unknown as readonly ObjectDetails[], tagReads: () => reads }
}

function classOf(objects: string, templates = ''): ClassSpec {
  const problems = new Problems()
  const parameters = new Map([
    ['keyvaultName', 'shop-vault'],
    ['tenantId', '11111111-1111-1111-1111-111111111111'],
    ['objects', objects],
  ])
  if (templates !== '') parameters.set('templates', templates)
  const spec = parseParameters(parameters, problems, createObjectsParser())
  assert.deepEqual(problems.list, [])
  return spec
}

function select(spec: ClassSpec, objects: readonly ObjectDetails[]) {
  return selectObjects(spec, {
    list: async () => objects,
    vaultNameOf: () => 'shop-vault',
    identity: 'shop',
    clock: systemClock,
  })
}

const paths = (count: number) => `[${Array.from({ length: count }, (_, index) => `$.a${index}`).join(', ')}]`

const tooLarge: readonly [what: string, selects: number, paths: number, found: string][] = [
  ['one jsonPath list that 20 selects share', 20, 940, '9,400,000'],
  ['one select with many paths', 1, 990, '495,000'],
  ['selects without a jsonPath', 3, 0, '1,500'],
]

for (const [what, selects, extracts, found] of tooLarge) {
  test(`too many files of ${what} are refused before any is made`, async () => {
    const entries = Array.from({ length: selects }, (_, index) => {
      const jsonPath = extracts === 0 ? '' : `, jsonPath: ${index === 0 ? `&all ${paths(extracts)}` : '*all'}`
      return `- { select: { namePattern: ".*" }, limit: 500, fileName: "s${index}/{tag:kind}/{name}"${jsonPath} }`
    })
    const { objects, tagReads } = listed(500)
    await assert.rejects(select(classOf(entries.join('\n')), objects), {
      code: 'select-too-many',
      message: new RegExp(`^objects: files of a class .*: found ${found}, at most 1,000 are accepted$`),
    })
    assert.equal(tagReads(), 0)
  })
}

test('files that the class names and templates count with those of its selects', async () => {
  const { value: most } = classLimits.files
  const named = '- { objectName: own, objectType: secret, objectVersionHistory: 3 }'
  const objects = `${named}\n- { select: { all: true }, limit: 500, jsonPath: [$.a, $.b], fileName: "s/{name}" }`
  const templates = '- { fileName: made, template: x }'
  const { length } = await select(classOf(objects, templates), listed((most - 4) / 2).objects)
  assert.equal(length, (most - 4) / 2)
  await assert.rejects(select(classOf(objects, templates), listed((most - 2) / 2).objects), { code: 'select-too-many' })
})
