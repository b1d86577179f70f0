import type { ObjectEncoding } from '#azure/class'

/** Undoes `objectEncoding`. The texts are Go's, which users of upstream search for. Throws without quoting the value. */
export function decodeValue(bytes: Uint8Array, encoding: ObjectEncoding): Uint8Array {
  switch (encoding) {
    case 'utf-8':
      return bytes
    case 'base64':
      return decodeBase64(Buffer.from(bytes).toString('latin1'))
    case 'hex':
      return decodeHex(Buffer.from(bytes).toString('utf8'))
    default:
      throw new Error('invalid objectEncoding. Should be utf-8, base64, or hex', { cause: encoding satisfies never })
  }
}

/** RFC 4648 section 4, strict: padding required, CR and LF skipped, no other character. */
function decodeBase64(text: string): Buffer {
  const illegal = (index: number) => new Error(`illegal base64 data at input byte ${index}`)
  let length = 0
  let padding = 0
  for (let index = 0; index < text.length; index++) {
    const character = text[index] ?? ''
    if (character === '\r' || character === '\n') continue
    if (character === '=') {
      if (length % 4 < 2 || padding >= 4 - (length % 4)) throw illegal(index)
      padding++
    } else if (!/[A-Za-z0-9+/]/.test(character) || padding > 0) throw illegal(index)
    else length++
  }
  if ((length + padding) % 4 !== 0) throw illegal(text.length)
  return Buffer.from(text, 'base64')
}

function decodeHex(text: string): Buffer {
  // Go's text names the offending byte; it is a part of the secret, so this names its position.
  const offending = text.search(/[^0-9a-fA-F]/)
  if (offending >= 0) throw new Error(`encoding/hex: invalid byte at position ${offending}`)
  if (text.length % 2 !== 0) throw new Error('encoding/hex: odd length hex string')
  return Buffer.from(text, 'hex')
}
