import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'

export type HashName = 'sha256' | 'sha384' | 'sha512'

/**
 * EMSA-PSS for a digest that the client computed; node:crypto only signs messages, which it hashes itself.
 * The salt is as long as the digest, as in JWS, and the modulus is a whole number of bytes, as in all keys of Key Vault.
 * https://www.rfc-editor.org/rfc/rfc8017#section-9.1
 */
export function encodePss(digest: Buffer, hash: HashName, modulusBytes: number): Buffer {
  const salt = randomBytes(digest.length)
  const h = seal(digest, salt, hash)
  const block = Buffer.concat([Buffer.alloc(modulusBytes - salt.length - h.length - 2), Buffer.from([1]), salt])
  const masked = xor(block, mask(h, block.length, hash))
  masked.writeUInt8(masked.readUInt8(0) & withoutTopBit, 0)
  return Buffer.concat([masked, h, Buffer.from([0xbc])])
}

/** True when `encoded`, as long as the modulus, is a PSS encoding of `digest`. */
export function isPss(encoded: Buffer, digest: Buffer, hash: HashName): boolean {
  const masked = encoded.subarray(0, encoded.length - digest.length - 1)
  const h = encoded.subarray(masked.length, -1)
  if (encoded.at(-1) !== 0xbc || masked.readUInt8(0) > withoutTopBit) return false
  const block = xor(masked, mask(h, masked.length, hash))
  block.writeUInt8(block.readUInt8(0) & withoutTopBit, 0)
  const saltStart = block.length - digest.length
  const isPadded = block.subarray(0, saltStart - 1).every((byte) => byte === 0) && block[saltStart - 1] === 1
  return isPadded && timingSafeEqual(h, seal(digest, block.subarray(saltStart), hash))
}

/** The encoding has one bit less than the modulus, so that it is always less than it. */
const withoutTopBit = 0x7f

function seal(digest: Buffer, salt: Buffer, hash: HashName): Buffer {
  return createHash(hash).update(Buffer.alloc(8)).update(digest).update(salt).digest()
}

/** MGF1. https://www.rfc-editor.org/rfc/rfc8017#appendix-B.2.1 */
function mask(seed: Buffer, length: number, hash: HashName): Buffer {
  const blocks: Buffer[] = []
  for (let counter = 0, total = 0; total < length; counter++) {
    const suffix = Buffer.alloc(4)
    suffix.writeUInt32BE(counter)
    const block = createHash(hash).update(seed).update(suffix).digest()
    blocks.push(block)
    total += block.length
  }
  return Buffer.concat(blocks).subarray(0, length)
}

function xor(a: Buffer, b: Buffer): Buffer {
  return Buffer.from(a.map((byte, index) => byte ^ (b[index] ?? 0)))
}
