import {
  closeSync,
  existsSync,
  fstatSync,
  ftruncateSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs'
import { dirname } from 'node:path'
import { parseJson } from '#lib/formats'
import { makeDirectories } from './make-directories.ts'

/**
 * State that survives `kill -9`: a file of JSON lines. What was appended before an answer left is there after a restart,
 * because the write went to the kernel first; a last line that was cut off was never acknowledged and is dropped.
 */
export interface Journal {
  /** What the file held when it was opened, in order. */
  readonly entries: readonly unknown[]
  /** Throws when the disk is full; the file then ends with the entry before. */
  append(entry: unknown): void
  /** Replaces the whole file, atomically. When it throws, the file is as it was. */
  compact(entries: Iterable<unknown>): void
  close(): void
}

/** Opens or creates the journal at `path` (mode 0600). Throws when a line other than the last is not JSON: the file is left as it is. */
export function openJournal(path: string): Journal {
  makeDirectories(dirname(path), 0o700)
  const text = existsSync(path) ? readFileSync(path, 'utf8') : ''
  const { entries, intact } = parseLines(path, text)
  if (!intact) writeWhole(path, entries)
  let fd = openSync(path, 'a', 0o600)
  let size = fstatSync(fd).size
  return {
    entries,
    append(entry) {
      try {
        size += writeFully(fd, line(entry))
      } catch (error) {
        // Half a line in the middle of the file would make the next start refuse it.
        ftruncateSync(fd, size)
        throw error
      }
    },
    compact(replacement) {
      writeWhole(path, replacement)
      closeSync(fd)
      fd = openSync(path, 'a', 0o600)
      size = fstatSync(fd).size
    },
    close() {
      closeSync(fd)
    },
  }
}

function parseLines(path: string, text: string): { entries: unknown[]; intact: boolean } {
  const lines = text.split('\n')
  const tail = lines.pop() ?? ''
  const entries = lines.map((line, index) => {
    try {
      // What was written must be readable, however deep it nests.
      return parseJson('the line', line, { maxDepth: Number.POSITIVE_INFINITY })
    } catch (cause) {
      const what = `State file ${path} is corrupt at line ${index + 1}`
      throw new Error(`${what}: not JSON. Restore it from a copy, or move it away to start empty`, { cause })
    }
  })
  return { entries, intact: tail === '' }
}

function writeWhole(path: string, entries: Iterable<unknown>): void {
  const next = `${path}.next`
  const fd = openSync(next, 'w', 0o600)
  try {
    for (const entry of entries) writeFully(fd, line(entry))
  } catch (error) {
    rmSync(next, { force: true })
    throw error
  } finally {
    closeSync(fd)
  }
  renameSync(next, path)
}

function line(entry: unknown): Buffer {
  return Buffer.from(`${JSON.stringify(entry)}\n`, 'utf8')
}

/** Writes all bytes: write(2) may take only some of them when the disk is nearly full. */
function writeFully(fd: number, bytes: Buffer): number {
  for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done)
  return bytes.length
}
