import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { SecretValue } from '#lib'
import { textOf } from '../../../test/support/text-of.ts'
import { EnvFileError } from './env-file-error.ts'
import { formatEnvFile, type Variable } from './format-env-file.ts'
import { envFileLimits } from './limits.ts'

const variable = (name: string, value: string | Uint8Array): Variable => ({
  name,
  source: `volume/${name.toLowerCase()}`,
  value: SecretValue.of(value),
})

test('every value is one assignment in single quotes, as it is', () => {
  const text = formatEnvFile([variable('A', 'plain'), variable('B', 'two\nlines # "$(A)" \\ =\t')]).revealText()
  assert.equal(text, "A='plain'\nB='two\nlines # \"$(A)\" \\ =\t'\n")
})

test('a value that kubelet would not read as it is has an error with its variable and file, and without the value', () => {
  const cases: [string | Uint8Array, RegExp][] = [
    ["pa'ss-planted", /it has a single quote/],
    ['planted\0', /it has a NUL byte/],
    ['planted\r\nmore', /it has line ends of Windows/],
    ['', /it is empty/],
    [Buffer.from([0x70, 0xff, 0xfe]), /it is not UTF-8/],
  ]
  for (const [value, fault] of cases) {
    assert.throws(
      () => formatEnvFile([variable('GOOD', 'fine'), variable('DB_PASSWORD', value)]),
      (error: Error & { code?: string }) => {
        assert.equal(error.code, 'env-value-not-representable')
        assert.match(error.message, fault)
        assert.match(
          error.message,
          /the value of volume\/db_password .* variable DB_PASSWORD: .*\[env-value-not-representable\]$/,
        )
        assert.ok(!error.message.includes('planted') && !error.message.includes('GOOD'))
        return true
      },
    )
  }
})

test('a file of exactly 64 KiB is written, and one byte more is not', () => {
  const overhead = "A=''\n".length
  const largest = 'x'.repeat(envFileLimits.file.value - overhead)
  assert.equal(formatEnvFile([variable('A', largest)]).size, 65_536)
  assert.throws(
    () => formatEnvFile([variable('A', `${largest}x`)]),
    /at most 64 KiB are accepted.*\[env-file-too-large\]$/,
  )
})

test('every value is read back as it is, or refused', () => {
  const character = fc.oneof(
    { arbitrary: fc.constantFrom("'", '\r', '\n', '\0', '#', '=', ' ', '\\', '"', '$'), weight: 1 },
    { arbitrary: fc.string({ unit: 'grapheme', maxLength: 3 }), weight: 4 },
  )
  const value = textOf(character, { maxLength: 12 })
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.stringMatching(/^[A-Za-z_][A-Za-z0-9_]{0,8}$/), { minLength: 1, maxLength: 4 }),
      fc.array(value, { minLength: 4, maxLength: 4 }),
      (names, values) => {
        const given = names.map((name, i) => [name, values[i] ?? ''] as const)
        let file: string
        try {
          file = formatEnvFile(given.map(([name, text]) => variable(name, text))).revealText()
        } catch (error) {
          assert.ok(error instanceof EnvFileError)
          assert.ok(values.some((text) => text === '' || /['\0]|\r\n/.test(text)))
          return
        }
        assert.deepEqual(readAsKubelet(file), given)
      },
    ),
  )
})

/** As kubelet reads such a file: line by line, without the CR at the end of a line, and what comes after a value is a comment or nothing. */
function readAsKubelet(text: string): [string, string][] {
  const lines = text.split('\n').map((line) => (line.endsWith('\r') ? line.slice(0, -1) : line))
  const found: [string, string][] = []
  for (let line = lines.shift(); line !== undefined; line = lines.shift()) {
    if (line.trim() === '') continue
    const at = line.indexOf('=')
    assert.equal(line[at + 1], "'")
    let value = line.slice(at + 2)
    while (!value.includes("'")) {
      const next = lines.shift()
      assert.ok(next !== undefined, 'the quote is closed')
      value += `\n${next}`
    }
    assert.ok(value.endsWith("'") && value.indexOf("'") === value.length - 1)
    found.push([line.slice(0, at), value.slice(0, -1)])
  }
  return found
}
