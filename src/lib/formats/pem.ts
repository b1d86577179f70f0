/** One block of a PEM text. https://www.rfc-editor.org/rfc/rfc7468 */
export interface PemBlock {
  /** The text between `BEGIN` and the dashes, for example `CERTIFICATE`. */
  label: string
  der: Buffer
  /** Lines before the first empty one, such as `DEK-Info: …` of an encrypted key of the older form; undefined for none. */
  headers?: readonly string[] | undefined
}

/** The block as text: 64 columns, LF, a final newline. */
export function encodePem({
  label,
  der,
  headers,
}: {
  label: string
  der: Uint8Array
  headers?: readonly string[] | undefined
}): string {
  const base64 = Buffer.from(der.buffer, der.byteOffset, der.length).toString('base64')
  const lines = base64.match(/.{1,64}/g) ?? []
  const all = headers === undefined ? lines : [...headers, '', ...lines]
  return `-----BEGIN ${label}-----\n${all.map((line) => `${line}\n`).join('')}-----END ${label}-----\n`
}

const boundary = /-----(BEGIN|END) ([^\r\n-]{1,64})-----/g

/**
 * Every block of a text, in order; text between blocks is dropped, and so is a block that another one interrupts. A boundary
 * may be followed by blanks and need not be on its own line. Takes time in proportion to the text.
 */
export function decodePem(text: string): PemBlock[] {
  const blocks: PemBlock[] = []
  let open: { label: string; from: number } | undefined
  for (const { 0: found, 1: kind, 2: label = '', index } of text.matchAll(boundary)) {
    if (kind === 'BEGIN') open = { label, from: index + found.length }
    else {
      if (open?.label === label) blocks.push(blockOf(label, text.slice(open.from, index)))
      open = undefined
    }
  }
  return blocks
}

function blockOf(label: string, body: string): PemBlock {
  const trimmed = body.trimStart()
  const gap = /\r?\n[ \t]*\r?\n/.exec(trimmed)
  const head = gap === null ? '' : trimmed.slice(0, gap.index)
  if (gap === null || !head.includes(':')) return { label, der: Buffer.from(body, 'base64') }
  const rest = trimmed.slice(gap.index + gap[0].length)
  return { label, der: Buffer.from(rest, 'base64'), headers: head.split(/\r?\n/) }
}
