import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { test } from 'node:test'
import fc from 'fast-check'
import { commandLine } from '#terminal'
import { parseBicep, parseTerraform } from '../../../test/support/grammars.ts'
import { textOf } from '../../../test/support/text-of.ts'
import { bicepText, bicepValue } from './bicep.ts'
import { terraformBlock, terraformValue } from './terraform.ts'

const opening = '${'
/** What means something in one of the languages. */
const meaningful = [
  ...[`${opening}a}`, `\\${opening}x}`, `$${opening}`, '%{if x}', '$(id)', '`id`', '\n'],
  ...["'; rm -rf ~; '", '"x"', "'''", '"""', '\\'],
]
const hostile = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 20 }).filter((text) => text.isWellFormed() && !text.includes('\0')),
  fc.constantFrom(...meaningful),
)
const joined = textOf(hostile, { maxLength: 4 })

test('HashiCorp’s parser reads texts of Terraform back as they were, whatever they hold', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(joined, { minLength: 20, maxLength: 30 }), async (texts) => {
      const members = Object.fromEntries(texts.map((text, index) => [`x${index}`, text]))
      const { locals } = await parseTerraform('t.tf', `${terraformBlock({ type: 'locals', attributes: members })}\n`)
      // The parser marks a literal ${ or %{ by doubling its sign, and normalizes letters.
      const found = Object.values((locals as Record<string, string>[])[0] ?? {})
      const expected = texts.map((text) => text.normalize('NFC').replaceAll(/[$%](?=\{)/g, (sign) => sign + sign))
      assert.deepEqual(found.toSorted(), expected.toSorted())
    }),
    { numRuns: 5 },
  )
})

test('the grammar of Bicep takes a text of Bicep as one string without interpolation, whatever it holds', async () => {
  await fc.assert(
    fc.asyncProperty(joined, async (text) => {
      const declared = await parseBicep('t.bicep', `var x = ${bicepText(text)}\nvar y = 1\n`)
      assert.deepEqual(Object.values(declared).flat(), ['x', 'y'])
    }),
    { numRuns: 50 },
  )
})

test('bash reads the words of a command line back as they were', () => {
  fc.assert(
    fc.property(
      fc.array(fc.oneof(joined, fc.constantFrom('"$HOME"', '"$PATH"', '"$1"', '$HOME')), {
        minLength: 1,
        maxLength: 4,
      }),
      (words) => {
        const printed = execFileSync('bash', ['-c', `printf '%s\\0' ${commandLine(...words)}`])
        assert.deepEqual(printed.toString('utf8').split('\0').slice(0, -1), words)
      },
    ),
    { numRuns: 30 },
  )
})

test('values are printed on as many lines as they have members, without those that are undefined', () => {
  assert.equal(
    bicepValue({ a: 'x', 'b-c': [1, true], d: undefined, e: [] }),
    "{\n  a: 'x'\n  'b-c': [\n    1\n    true\n  ]\n  e: []\n}",
  )
  assert.equal(
    terraformValue({ a: 'x', longer: [1, true], d: undefined, o: { p: 1 }, q: 2 }),
    '{\n  a      = "x"\n  longer = [1, true]\n  o = {\n    p = 1\n  }\n  q = 2\n}',
  )
})
