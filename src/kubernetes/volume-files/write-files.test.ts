import assert from 'node:assert/strict'
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join, win32 } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { ProblemsError, SecretValue } from '#lib'
import { temporaryDirectory } from '../../../test/support/temporary-directory.ts'
import { filePathProblem } from './file-path.ts'
import { mountedFiles } from './mounted-files.ts'
import type { FileOwner } from './volume-system.ts'
import { windowsFiles } from './windows-files.ts'
import { type VolumeFile, writeFiles } from './write-files.ts'

const now = new Date('2026-04-30T10:11:12.999Z')

const file = (path: string, contents = `content of ${path}`, mode = 0o644): VolumeFile => ({
  path,
  mode,
  contents: SecretValue.of(contents),
})
const write = (
  target: string,
  files: VolumeFile[],
  more: { owner?: FileOwner; lastDigest?: string; platform?: NodeJS.Platform } = {},
) => writeFiles(target, files, { now, ...more })
const visible = (target: string) =>
  readdirSync(target)
    .filter((name) => !name.startsWith('..'))
    .toSorted()

test('writeFiles() lays out links, the data link and a timestamped directory', (t) => {
  const target = temporaryDirectory(t)
  assert.equal(write(target, [file('foo'), file('baz/bar')]).changed, true)
  const directory = readlinkSync(join(target, '..data'))
  assert.match(directory, /^\.\.2026_04_30_10_11_12\.\d{9}$/)
  assert.equal(lstatSync(join(target, directory)).mode & 0o777, 0o755)
  assert.equal(readlinkSync(join(target, 'foo')), '..data/foo')
  assert.equal(readlinkSync(join(target, 'baz')), '..data/baz')
  assert.equal(readFileSync(join(target, 'baz/bar'), 'utf8'), 'content of baz/bar')
  assert.deepEqual(readdirSync(target).toSorted(), [directory, '..data', 'baz', 'foo'].toSorted())
})

for (const mode of [0o666, 0o444, 0o644, 0o777, 0o400, 0]) {
  test(`writeFiles() gives a file exactly the mode 0${mode.toString(8)}, whatever the umask`, (t) => {
    const before = process.umask(0o077)
    t.after(() => process.umask(before))
    const target = temporaryDirectory(t)
    write(target, [file('foo', 'x', mode)])
    assert.equal(lstatSync(join(target, '..data', 'foo')).mode & 0o7777, mode)
  })
}

test('writeFiles() touches nothing when nothing changed, with and without a digest', (t) => {
  const target = temporaryDirectory(t)
  const files = [file('foo'), file('nested/bar', 'x', 0o400)]
  const { digest } = write(target, files)
  const before = [readlinkSync(join(target, '..data')), lstatSync(target).mtimeMs]
  assert.deepEqual(write(target, files), { changed: false, digest })
  assert.deepEqual(write(target, files, { lastDigest: digest }), { changed: false, digest })
  assert.deepEqual([readlinkSync(join(target, '..data')), lstatSync(target).mtimeMs], before)
})

const changes: { what: string; from: VolumeFile[]; to: VolumeFile[] }[] = [
  { what: 'other content', from: [file('a')], to: [file('a', 'new')] },
  { what: 'content of the same length', from: [file('a', 'one')], to: [file('a', 'two')] },
  { what: 'another mode alone', from: [file('a')], to: [file('a', 'content of a', 0o400)] },
  { what: 'one more file', from: [file('a')], to: [file('a'), file('b')] },
  { what: 'one file less', from: [file('a'), file('b')], to: [file('a')] },
  { what: 'one file less in a directory', from: [file('d/a'), file('d/e/b')], to: [file('d/a')] },
  { what: 'a file that becomes a directory', from: [file('a')], to: [file('a/b')] },
  { what: 'a directory that becomes a file', from: [file('a/b')], to: [file('a')] },
  { what: 'all files exchanged', from: [file('a'), file('b')], to: [file('c'), file('d/e')] },
]
for (const { what, from, to } of changes) {
  test(`writeFiles() switches to ${what}, and back`, (t) => {
    const target = temporaryDirectory(t)
    let lastDigest: string | undefined
    for (const files of [from, to, from]) {
      const result = write(target, files, lastDigest === undefined ? {} : { lastDigest })
      lastDigest = result.digest
      assert.equal(result.changed, true)
      const expected = new Map(files.map(({ path, contents }) => [path, contents.revealText()]))
      assert.deepEqual(new Map([...mountedFiles(target)].map(([path, value]) => [path, value.revealText()])), expected)
      assert.equal(readdirSync(target).filter((name) => name.startsWith('..2')).length, 1)
    }
  })
}

test('writeFiles() repairs what another program removed or changed', (t) => {
  const target = temporaryDirectory(t)
  const files = [file('a'), file('b/c')]
  const { digest: lastDigest } = write(target, files)
  rmSync(join(target, 'a'))
  symlinkSync('/etc/passwd', join(target, 'a'))
  rmSync(join(target, 'b'))
  write(target, files, { lastDigest })
  assert.equal(readFileSync(join(target, 'a'), 'utf8'), 'content of a')
  assert.equal(readFileSync(join(target, 'b/c'), 'utf8'), 'content of b/c')
  rmSync(join(target, '..data'))
  symlinkSync('/etc', join(target, '..data'))
  assert.equal(write(target, files, { lastDigest }).changed, true)
  assert.equal(readFileSync(join(target, 'a'), 'utf8'), 'content of a')
  assert.equal(existsSync('/etc/passwd'), true)
})

test('writeFiles() clears away what a crash left, and what a provider of old wrote in its way, but nothing else', (t) => {
  const target = temporaryDirectory(t)
  mkdirSync(join(target, '..2025_01_01_00_00_00.1/x'), { recursive: true })
  symlinkSync('..2025_01_01_00_00_00.1', join(target, '..data_tmp'))
  mkdirSync(join(target, 'foo'))
  writeFileSync(join(target, 'other'), 'keep')
  write(target, [file('foo')])
  assert.equal(readFileSync(join(target, 'foo'), 'utf8'), 'content of foo')
  assert.equal(readFileSync(join(target, 'other'), 'utf8'), 'keep')
  assert.equal(readdirSync(target).filter((name) => name.startsWith('..2')).length, 1)
  assert.equal(existsSync(join(target, '..data_tmp')), false)
})

const root = process.getuid?.() === 0 && readFileSync('/proc/self/uid_map', 'utf8').includes('4294967295')
test('writeFiles() hands files to the owner of the class, or to the group of the pod with what the owner may', {
  skip: !root && 'needs root',
}, (t) => {
  const target = temporaryDirectory(t)
  const stat = (name: string) => {
    const { uid, gid, mode } = lstatSync(join(target, '..data', name))
    return [uid, gid, mode & 0o777]
  }
  const files = [file('a', 'x', 0o400), file('b', 'x', 0o644)]
  write(target, files)
  assert.deepEqual(
    [stat('a'), stat('b')],
    [
      [0, 0, 0o400],
      [0, 0, 0o644],
    ],
  )
  assert.equal(write(target, files, { owner: { groupId: 2000 } }).changed, true)
  assert.deepEqual(
    [stat('a'), stat('b')],
    [
      [0, 2000, 0o440],
      [0, 2000, 0o644],
    ],
  )
  assert.equal(write(target, files, { owner: { userId: 1000, groupId: 2000 } }).changed, true)
  assert.deepEqual(
    [stat('a'), stat('b')],
    [
      [1000, 2000, 0o400],
      [1000, 2000, 0o644],
    ],
  )
  assert.equal(write(target, files, { owner: { userId: 1000, groupId: 2000 } }).changed, false)
})

test('writeFiles() takes odd names and names at the limit', (t) => {
  const target = temporaryDirectory(t)
  const names = [
    'a b',
    'ü',
    'back\\slash',
    'new\nline',
    '-rf',
    'a/..b',
    'x'.repeat(255),
    `d/${'y'.repeat(255)}`,
    '$HOME',
    '.hidden',
  ]
  write(
    target,
    names.map((name) => file(name)),
  )
  for (const name of names) assert.equal(readFileSync(join(target, name), 'utf8'), `content of ${name}`)
  assert.deepEqual([...mountedFiles(target).keys()].toSorted(), names.toSorted())
})

for (const path of [
  '',
  '.',
  '..',
  '/abs',
  '../up',
  'a/../b',
  '..hidden',
  '..data',
  'a//b',
  './a',
  'a/',
  'a/.',
  'nul\0',
  'x'.repeat(256),
  `${'d/'.repeat(2048)}x`,
]) {
  test(`writeFiles() refuses the path ${JSON.stringify(path.slice(0, 20))} and changes nothing`, (t) => {
    const target = temporaryDirectory(t)
    write(target, [file('good')])
    const before = readdirSync(target)
    assert.throws(() => write(target, [file('fine'), file(path)]), ProblemsError)
    assert.deepEqual(readdirSync(target), before)
  })
}

test('writeFiles() refuses modes beyond 0777, and a name that is both file and directory', (t) => {
  const target = temporaryDirectory(t)
  assert.throws(() => write(target, [file('a', 'x', 0o4755), file('b', 'x', -1)]), /found 2541 .*found -1 /)
  assert.throws(() => write(target, [file('a'), file('a/b')]), /"a" is both a file and the directory of "a\/b"/)
  assert.deepEqual(readdirSync(target), [])
})

test('writeFiles() keeps the old files when the new ones cannot be written', (t) => {
  const target = temporaryDirectory(t)
  write(target, [file('a')])
  const broken = {
    ...file('b'),
    contents: {
      reveal: () => {
        throw new Error('no space left')
      },
      size: 1,
    } as unknown as SecretValue,
  }
  assert.throws(() => write(target, [file('a', 'new'), broken]))
  assert.deepEqual(visible(target), ['a'])
  assert.equal(readFileSync(join(target, 'a'), 'utf8'), 'content of a')
  assert.equal(readdirSync(target).filter((name) => name.startsWith('..2')).length, 1)
})

test('no path that filePathProblem() lets through leaves the volume', () => {
  const part = fc.oneof(fc.constantFrom('.', '..', '', '...', '..a', 'a..', '~', '\\', '%2e%2e'), fc.string())
  fc.assert(
    fc.property(fc.array(part, { maxLength: 6 }), (parts) => {
      const path = parts.join('/')
      if (filePathProblem(path) !== undefined) return
      const full = join('/volume/data', path)
      assert.ok(full.startsWith('/volume/data/'), full)
      assert.equal(full, `/volume/data/${path}`)
    }),
  )
})

test('after any series of writes the volume holds exactly the last', (t) => {
  const path = fc.constantFrom('a', 'b', 'a/b', 'b/c', 'b/d/e', 'c')
  const payload = fc.uniqueArray(fc.record({ path, contents: fc.string(), mode: fc.constantFrom(0o400, 0o644) }), {
    selector: (entry) => entry.path,
    minLength: 1,
  })
  fc.assert(
    fc.property(fc.array(payload, { maxLength: 5 }), (payloads) => {
      const target = temporaryDirectory(t)
      let lastDigest: string | undefined
      for (const entries of payloads) {
        const files = entries.map(({ path: name, contents, mode }) => file(name, contents, mode))
        try {
          lastDigest = write(target, files, lastDigest === undefined ? {} : { lastDigest }).digest
        } catch (error) {
          assert.ok(error instanceof ProblemsError)
          continue
        }
        const found = [...mountedFiles(target)].map(([name, value]) => [name, value.revealText()])
        assert.deepEqual(
          new Map(found as [string, string][]),
          new Map(entries.map((entry) => [entry.path, entry.contents])),
        )
      }
    }),
    { numRuns: 50 },
  )
})

const platform = 'win32'

test('on Windows writeFiles() compares the write bit alone, and sets no owner', (t) => {
  const target = temporaryDirectory(t)
  const { digest: lastDigest } = write(target, [file('a', 'x', 0o644)], { platform })
  chmodSync(join(target, '..data', 'a'), 0o666)
  assert.equal(write(target, [file('a', 'x', 0o644)], { platform, lastDigest }).changed, false)
  assert.equal(write(target, [file('a', 'y', 0o644), file('b/c')], { platform, owner: { userId: 1000 } }).changed, true)
  assert.equal(readFileSync(join(target, 'a'), 'utf8'), 'y')
  assert.equal(readFileSync(join(target, 'b/c'), 'utf8'), 'content of b/c')
  assert.equal(lstatSync(join(target, '..data', 'a')).uid, process.getuid?.())
})

test('on Windows a link is made again when a file takes the place of a directory, or the reverse', (t) => {
  const target = temporaryDirectory(t)
  write(target, [file('a')], { platform })
  const before = lstatSync(join(target, 'a'), { bigint: true }).ctimeNs
  write(target, [file('a', 'x'), file('b')], { platform })
  assert.equal(lstatSync(join(target, 'a'), { bigint: true }).ctimeNs, before)
  write(target, [file('a/b')], { platform })
  assert.notEqual(lstatSync(join(target, 'a'), { bigint: true }).ctimeNs, before)
  assert.equal(readFileSync(join(target, 'a/b'), 'utf8'), 'content of a/b')
})

/** Names of files come from a class, which a tenant writes. */
const hostileOnWindows = [
  '..\\..\\a',
  'a\\b',
  'C:\\Windows\\win.ini',
  'C:a',
  'a:stream',
  'a::$DATA',
  'CON',
  'con',
  'Nul.txt',
  'aux .json',
  'db/COM1',
  'lpt¹.pem',
  'CONIN$',
  'a.',
  'a ',
  'db /a',
  'a?',
  'a*',
  'a|b',
  'a<b',
  'a"b',
  'a\tb',
  'x'.repeat(256),
]

for (const path of hostileOnWindows) {
  test(`on Windows writeFiles() refuses ${JSON.stringify(path.slice(0, 20))} before anything is touched`, (t) => {
    const target = temporaryDirectory(t)
    assert.throws(() => write(target, [file('good'), file(path)], { platform }), ProblemsError)
    assert.deepEqual(readdirSync(target), [])
  })
}

test('on Windows writeFiles() takes names that only look like those of devices', (t) => {
  const target = temporaryDirectory(t)
  const names = ['console', 'com', 'com10', 'nullable.txt', 'a.con', '.env', 'tls.crt', 'ключ']
  write(
    target,
    names.map((name) => file(name)),
    { platform },
  )
  assert.deepEqual(visible(target), names.toSorted())
})

for (const [one, other] of [
  ['password', 'Password'],
  ['db/a', 'DB/b'],
  ['a', 'A/b'],
] as const) {
  test(`on Windows writeFiles() refuses "${one}" beside "${other}", which differ in case alone`, (t) => {
    const target = temporaryDirectory(t)
    assert.throws(() => write(target, [file(one), file(other)], { platform }), ProblemsError)
    assert.equal(write(target, [file(one), file(other)], { platform: 'linux' }).changed, true)
  })
}

test('no path that Windows takes leaves the volume, or names a stream or a device', () => {
  const part = fc.oneof(
    fc.constantFrom('..', 'C:', 'a', 'nul', '$DATA', '\\', ':', '.', ' ', 'COM1'),
    fc.string({ maxLength: 4 }),
  )
  fc.assert(
    fc.property(fc.array(part, { minLength: 1, maxLength: 6 }), fc.constantFrom('/', ''), (parts, separator) => {
      const path = parts.join(separator)
      if ((filePathProblem(path) ?? windowsFiles.pathProblem(path)) !== undefined) return
      const full = win32.resolve('C:\\volume\\data', path)
      assert.equal(full, `C:\\volume\\data\\${path.replaceAll('/', '\\')}`)
      assert.equal(full.lastIndexOf(':'), 1)
    }),
  )
})
