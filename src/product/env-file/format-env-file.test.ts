import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SecretValue } from '#lib'
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
