/** One block of a PEM text. https://www.rfc-editor.org/rfc/rfc7468 */
export interface PemBlock {
  /** What stands between `BEGIN` and the dashes, for example `CERTIFICATE`. */
  label: string
  der: Buffer
}

/** The block as text: 64 columns, LF, a final newline. */
export function encodePem({ label, der }: { label: string; der: Uint8Array }): string {
  const lines =
    Buffer.from(der)
      .toString('base64')
      .match(/.{1,64}/g) ?? []
  return `-----BEGIN ${label}-----\n${lines.map((line) => `${line}\n`).join('')}-----END ${label}-----\n`
}

/** Every block of a text, in order; text between blocks and headers inside of them are dropped. */
export function decodePem(text: string): PemBlock[] {
  const blocks: PemBlock[] = []
  for (const match of text.matchAll(/-----BEGIN ([^\r\n-]+)-----([\s\S]*?)-----END \1-----/g)) {
    const body = (match[2] ?? '').replace(/^[\s\S]*?\r?\n\r?\n/, (headers) => (headers.includes(':') ? '' : headers))
    blocks.push({ label: match[1] ?? '', der: Buffer.from(body, 'base64') })
  }
  return blocks
}
