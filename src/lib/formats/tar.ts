/**
 * Tar streams that are the same bytes for the same content: sorted by the caller, time zero, owner root.
 * Format: ustar, https://pubs.opengroup.org/onlinepubs/9799919799/utilities/pax.html#tag_20_94_13_06
 */
export type TarEntry =
  | { type: 'directory'; path: string; mode: number }
  | { type: 'link'; path: string; target: string }
  | {
      type: 'file'
      path: string
      mode: number
      size: number
      content: Iterable<Uint8Array> | AsyncIterable<Uint8Array>
    }

const blockSize = 512
const typeFlags = { file: '0', link: '2', directory: '5' } as const

/** The bytes of an archive. A file whose content has not its stated size makes it throw. */
export async function* tarStream(entries: Iterable<TarEntry> | AsyncIterable<TarEntry>): AsyncGenerator<Uint8Array> {
  for await (const entry of entries) {
    yield header(entry)
    if (entry.type !== 'file') continue
    let written = 0
    for await (const chunk of entry.content) {
      written += chunk.length
      yield chunk
    }
    if (written !== entry.size)
      throw new Error(`${entry.path} changed while it was read: ${entry.size} bytes became ${written}`)
    yield Buffer.alloc(-written & (blockSize - 1))
  }
  yield Buffer.alloc(2 * blockSize)
}

function header(entry: TarEntry): Buffer {
  const block = Buffer.alloc(blockSize)
  const text = (value: string, offset: number) => block.write(value, offset, 'utf8')
  const octal = (value: number, offset: number, length: number) =>
    text(value.toString(8).padStart(length - 1, '0'), offset)
  const { prefix, name } = splitPath(entry.type === 'directory' ? `${entry.path}/` : entry.path)
  text(name, 0)
  octal(entry.type === 'link' ? 0o777 : entry.mode, 100, 8)
  octal(0, 108, 8) // uid
  octal(0, 116, 8) // gid
  octal(entry.type === 'file' ? entry.size : 0, 124, 12)
  octal(0, 136, 12) // mtime
  text(' '.repeat(8), 148) // the checksum counts its own field as spaces
  text(typeFlags[entry.type], 156)
  if (entry.type === 'link') text(checkLength(entry.target, 100), 157)
  text('ustar\u000000', 257) // magic and version
  text(prefix, 345)
  const sum = block.reduce((total, byte) => total + byte, 0)
  text(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  return block
}

/** A long path goes into two fields, parted at a slash. */
function splitPath(path: string): { prefix: string; name: string } {
  if (Buffer.byteLength(path) <= 100) return { prefix: '', name: path }
  const slash = path.indexOf('/', Math.max(path.length - 101, 0))
  const prefix = path.slice(0, slash)
  const name = path.slice(slash + 1)
  checkLength(prefix, 155)
  checkLength(name, 100)
  return { prefix, name }
}

function checkLength(text: string, limit: number): string {
  if (text === '' || Buffer.byteLength(text) > limit) throw new Error(`Path too long for a tar archive: ${text}`)
  return text
}
