import assert from 'node:assert/strict'
import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { openJournal } from './journal.ts'

function temporaryFile(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'journal-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  return join(directory, 'state.jsonl')
}

test('what was appended is there after opening again, and nobody else may read the file', (t) => {
  const path = temporaryFile(t)
  const first = openJournal(path)
  first.append({ a: 1 })
  first.append(['ü'])
  first.close()
  const second = openJournal(path)
  assert.deepEqual(second.entries, [{ a: 1 }, ['ü']])
  second.close()
  assert.equal(statSync(path).mode & 0o777, 0o600)
})

test('a last line that was cut off is dropped, and appending goes on behind the intact ones', (t) => {
  const path = temporaryFile(t)
  const first = openJournal(path)
  first.append(1)
  first.close()
  appendFileSync(path, '{"half":')
  const second = openJournal(path)
  assert.deepEqual(second.entries, [1])
  second.append(2)
  second.close()
  assert.equal(readFileSync(path, 'utf8'), '1\n2\n')
})

test('a broken line in the middle is refused with its number, and the file is left alone', (t) => {
  const path = temporaryFile(t)
  appendFileSync(path, '1\nbroken\n3\n')
  assert.throws(() => openJournal(path), /state\.jsonl is corrupt at line 2/)
  assert.equal(readFileSync(path, 'utf8'), '1\nbroken\n3\n')
})

test('an entry that cannot be written leaves the journal as it was', (t) => {
  const path = temporaryFile(t)
  const journal = openJournal(path)
  journal.append('before')
  const circular: { self?: unknown } = {}
  circular.self = circular
  assert.throws(() => journal.append(circular), /circular/)
  assert.throws(() => journal.compact(['kept', circular]), /circular/)
  journal.append('after')
  journal.close()
  assert.equal(readFileSync(path, 'utf8'), '"before"\n"after"\n')
})

test('compact() replaces the whole file, and appending goes on behind it', (t) => {
  const path = temporaryFile(t)
  const journal = openJournal(path)
  for (let i = 0; i < 10; i++) journal.append(i)
  journal.compact(['all'])
  journal.append('more')
  journal.close()
  assert.equal(readFileSync(path, 'utf8'), '"all"\n"more"\n')
})
