import assert from 'node:assert/strict'
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { writeFiles } from '#kubernetes/volume-files'
import { SecretValue } from '#lib'
import { writeEnvFile } from '#product/env-file'
import { runCli } from '../../support/run-cli.ts'
import { temporaryDirectory } from '../../support/temporary-directory.ts'

/** A volume as the driver writes it, and the directory of the file with variables. */
function volumeWith(t: TestContext, files: Record<string, string>): { from: string; to: string; env: string } {
  const [from, env] = [temporaryDirectory(t), temporaryDirectory(t)]
  const contents = Object.entries(files).map(([path, text]) => ({ path, mode: 0o644, contents: SecretValue.of(text) }))
  writeFiles(from, contents, { now: new Date() })
  return { from, env, to: join(env, 'secrets.env') }
}

test('the program writes the variables that are mapped, with mode 0600, and prints no value', async (t) => {
  const { from, to, env } = volumeWith(t, {
    'db-password': 'planted $(HOME)\nline',
    'api/key': 'planted-2',
    other: 'x',
  })
  const maps = ['--map', 'DB_PASSWORD=db-password', '--map=API_KEY=api/key']
  const { code, stdout, stderr } = await runCli(['env-file', '--from', from, '--to', to, ...maps])
  assert.equal(code, 0, stderr)
  assert.equal(readFileSync(to, 'utf8'), "DB_PASSWORD='planted $(HOME)\nline'\nAPI_KEY='planted-2'\n")
  assert.equal(statSync(to).mode & 0o777, 0o600)
  assert.deepEqual(readdirSync(env), ['secrets.env'])
  assert.match(`${stdout}${stderr}`, /DB_PASSWORD/)
  assert.doesNotMatch(`${stdout}${stderr}`, /planted/)
})

test('a value that cannot be a variable ends the program with its code, and leaves an older file as it was', async (t) => {
  const { from, to } = volumeWith(t, { db: "it's planted" })
  writeFileSync(to, "DB='old'\n")
  const { code, stderr } = await runCli(['env-file', '--from', from, '--to', to, '--map', 'DB=db'])
  assert.equal(code, 1)
  assert.match(stderr, /the value of db cannot be the environment variable DB: .*\[env-value-not-representable\]/)
  assert.doesNotMatch(stderr, /planted/)
  assert.equal(readFileSync(to, 'utf8'), "DB='old'\n")
})

test('--all makes one variable of each file, in the order of their names', (t) => {
  const { from, to } = volumeWith(t, { 'db-password': 'a', 'tls.crt': 'b', API: 'c' })
  const mappings = [{ name: 'KEY', file: 'API' }]
  const names = writeEnvFile({ from, to, mappings, all: { prefix: 'P_' } })
  assert.deepEqual(names, ['KEY', 'P_API', 'P_DB_PASSWORD', 'P_TLS_CRT'])
  assert.equal(readFileSync(to, 'utf8'), "KEY='c'\nP_API='c'\nP_DB_PASSWORD='a'\nP_TLS_CRT='b'\n")
})

test('with --all, files whose names give no variable of their own are refused', (t) => {
  const same = volumeWith(t, { 'db-password': 'a', 'db.password': 'b' })
  const all = { mappings: [], all: { prefix: '' } }
  assert.throws(
    () => writeEnvFile({ ...same, ...all }),
    /would both be the variable DB_PASSWORD.*\[env-name-invalid\]$/,
  )
  const digit = volumeWith(t, { '1st': 'a' })
  assert.throws(() => writeEnvFile({ ...digit, ...all }), /1st would be the variable 1ST.*\[env-name-invalid\]$/)
})

test('a file that is not in the volume, or is a directory or too large, has an error with its name', (t) => {
  const { from, to } = volumeWith(t, { 'api/key': 'a', large: 'x'.repeat(65_537) })
  const write = (file: string) => () => writeEnvFile({ from, to, mappings: [{ name: 'A', file }], all: undefined })
  assert.throws(write('missing'), /missing is not in the volume.*\[env-source-missing\]$/)
  assert.throws(write('api'), /cannot read api: .*\[env-source-unreadable\]$/)
  assert.throws(write('large'), /large alone is larger .*\[env-file-too-large\]$/)
  assert.throws(
    () =>
      writeEnvFile({
        from,
        to: join(from, 'no/such/file'),
        mappings: [{ name: 'A', file: 'api/key' }],
        all: undefined,
      }),
    /\[env-file-not-written\]$/,
  )
})

test('every problem of the command line is reported at once', async () => {
  const args = ['--from=secrets', '--map=1A=db', '--map=A=../db', '--map=B=db', '--map=B=other', '--prefix=P_']
  const { code, stderr } = await runCli(['env-file', ...args])
  assert.equal(code, 2)
  for (const problem of [
    '--from: found "secrets", expected an absolute path',
    '--to: found "", expected an absolute path',
    '--map: found "1A=db", expected VARIABLE=FILE',
    '--map: found "A=../db"',
    '--map: B is given twice',
    '--prefix: needs --all',
  ])
    assert.ok(stderr.includes(problem), `${problem}\n${stderr}`)
})
