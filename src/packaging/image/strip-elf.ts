/**
 * A program without its symbol table and debug sections, which are a seventh of Node's file: everything after the last byte
 * that is loaded into memory is cut off, and the header declares no sections. What runs is not touched.
 *
 * Done here because strip(1) comes with a compiler, which a machine that only builds the image need not have.
 * Throws when `bytes` is not a 64-bit little-endian ELF file. https://refspecs.linuxfoundation.org/elf/gabi4+/ch4.eheader.html
 */
export function stripElf(bytes: Buffer): Buffer {
  const is64BitLittleEndian =
    bytes.length > 64 && bytes.readUInt32BE(0) === 0x7f454c46 && bytes.readUInt16BE(4) === 0x0201
  if (!is64BitLittleEndian) throw new Error('Cannot strip a file that is not 64-bit little-endian ELF')
  const stripped = Buffer.from(bytes.subarray(0, endOfSegments(bytes)))
  stripped.writeBigUInt64LE(0n, 0x28) // e_shoff
  stripped.writeUInt32LE(0, 0x3c) // e_shnum, e_shstrndx
  return stripped
}

function endOfSegments(bytes: Buffer): number {
  const first = Number(bytes.readBigUInt64LE(0x20)) // e_phoff
  const size = bytes.readUInt16LE(0x36) // e_phentsize
  const count = bytes.readUInt16LE(0x38) // e_phnum
  let end = first + size * count
  for (let header = first; header < first + size * count; header += size) {
    const offset = Number(bytes.readBigUInt64LE(header + 0x08)) // p_offset
    const fileSize = Number(bytes.readBigUInt64LE(header + 0x20)) // p_filesz
    end = Math.max(end, offset + fileSize)
  }
  return end
}
