import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { test } from 'node:test'
import { temporaryDirectory } from '../../../test/support/temporary-directory.ts'
import { type TarEntry, tarStream } from './tar.ts'

const file = (path: string, text: string): TarEntry => {
  const bytes = Buffer.from(text)
  return { type: 'file', path, mode: 0o644, size: bytes.length, content: [bytes] }
}

async function bytesOf(entries: TarEntry[]): Promise<Buffer> {
  return Buffer.concat(await Readable.from(tarStream(entries)).toArray())
}

test('tarStream() writes what tar(1) reads: directories, links, modes, contents of any size', async (t) => {
  const directory = temporaryDirectory(t, 'keymount-tar-')
  const long = `${'deep/'.repeat(25)}file`
  const archive = await bytesOf([
    { type: 'directory', path: 'tmp', mode: 0o1777 },
    { type: 'link', path: 'bin', target: 'usr/bin' },
    file('empty', ''),
    file('block', 'x'.repeat(512)),
    file('odd', 'y'.repeat(513)),
    file(long, 'found'),
  ])
  const path = join(directory, 'a.tar')
  writeFileSync(path, archive)
  const listing = execFileSync('tar', ['--list', '--verbose', '--numeric-owner', '--utc', '--full-time', '-f', path], {
    encoding: 'utf8',
  })
  assert.deepEqual(
    listing
      .trim()
      .split('\n')
      .map((line) => line.replace(/\s+/g, ' ')),
    [
      'drwxrwxrwt 0/0 0 1970-01-01 00:00:00 tmp/',
      'lrwxrwxrwx 0/0 0 1970-01-01 00:00:00 bin -> usr/bin',
      '-rw-r--r-- 0/0 0 1970-01-01 00:00:00 empty',
      '-rw-r--r-- 0/0 512 1970-01-01 00:00:00 block',
      '-rw-r--r-- 0/0 513 1970-01-01 00:00:00 odd',
      `-rw-r--r-- 0/0 5 1970-01-01 00:00:00 ${long}`,
    ],
  )
  assert.equal(execFileSync('tar', ['-xOf', path, long], { encoding: 'utf8' }), 'found')
})

test('tarStream() throws when a file has not the size that was announced', async () => {
  const lying: TarEntry = { ...file('grown', 'more'), size: 3 } as TarEntry
  await assert.rejects(bytesOf([lying]), /grown changed while it was read: 3 bytes became 4/)
})

test('tarStream() throws when a path does not fit', async () => {
  await assert.rejects(bytesOf([file('x'.repeat(101), '')]), /too long for a tar archive/)
  await assert.rejects(bytesOf([{ type: 'link', path: 'a', target: 'y'.repeat(101) }]), /too long for a tar archive/)
})
