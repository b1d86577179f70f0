import assert from 'node:assert/strict'
import { appendFileSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { temporaryDirectory } from '../../../test/support/temporary-directory.ts'
import { openJournal } from './journal.ts'

function temporaryFile(t: TestContext): string {
  const directory = temporaryDirectory(t, 'keymount-journal-')
  return join(directory, 'state', 'journal.jsonl')
}

test('what was appended is there after the file is opened again, readable by its owner only', (t) => {
  const path = temporaryFile(t)
  const journal = openJournal(path)
  journal.append({ a: 1 })
  journal.append(['two'])
  // Not closed: a killed process closes nothing either.
  const again = openJournal(path)
  assert.deepEqual(again.entries, [{ a: 1 }, ['two']])
  assert.equal(statSync(path).mode & 0o777, 0o600)
  again.close()
  journal.close()
})

test('a last line that was cut off is dropped and the next append starts a new line', (t) => {
  const path = temporaryFile(t)
  openJournal(path).append({ kept: true })
  appendFileSync(path, '{"half":')
  const journal = openJournal(path)
  assert.deepEqual(journal.entries, [{ kept: true }])
  journal.append({ next: true })
  assert.deepEqual(openJournal(path).entries, [{ kept: true }, { next: true }])
})

test('a corrupt line is refused with the file and the line, and the file stays as it was', (t) => {
  const path = temporaryFile(t)
  openJournal(path).append({ a: 1 })
  appendFileSync(path, 'garbage\n{"b":2}\n')
  const before = readFileSync(path, 'utf8')
  assert.throws(() => openJournal(path), /journal\.jsonl is corrupt at line 2/)
  assert.equal(readFileSync(path, 'utf8'), before)
})

test('compact() replaces the content and keeps appending after it', (t) => {
  const path = temporaryFile(t)
  const journal = openJournal(path)
  for (let i = 0; i < 10; i++) journal.append(i)
  journal.compact([45])
  journal.append(46)
  journal.close()
  assert.deepEqual(openJournal(path).entries, [45, 46])
})
