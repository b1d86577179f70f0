const pageBytes = 4096

/** A cell's offset counts from the end of the first page. */
const rootCell = 0x20
const none = 0xffff_ffff

/**
 * A registry hive with an empty root key, owned by the system and administrators. Windows reads five of them when it unpacks the lowest layer
 * of an image; Windows Server 2025 refuses empty files in their place.
 * https://github.com/msuhanov/regf/blob/master/Windows%20registry%20file%20format%20specification.md
 */
export function emptyHive(rootName: string): Buffer {
  const hive = Buffer.alloc(2 * pageBytes)
  writeBaseBlock(hive)
  const bin = hive.subarray(pageBytes)
  bin.write('hbin', 'latin1')
  bin.writeUInt32LE(pageBytes, 8)
  const key = keyNode(rootName)
  const security = securityCell(rootCell + cellBytes(key))
  const free = rootCell + cellBytes(key) + cellBytes(security)
  writeCell(bin, rootCell, key)
  writeCell(bin, rootCell + cellBytes(key), security)
  // A positive size: nothing is there.
  bin.writeInt32LE(pageBytes - free, free)
  return hive
}

function writeBaseBlock(hive: Buffer): void {
  hive.write('regf', 'latin1')
  // Two equal numbers: the last write was completed.
  hive.writeUInt32LE(1, 4)
  hive.writeUInt32LE(1, 8)
  // Version 1.3, a primary file that is loaded into memory.
  hive.writeUInt32LE(1, 20)
  hive.writeUInt32LE(3, 24)
  hive.writeUInt32LE(1, 32)
  hive.writeUInt32LE(rootCell, 36)
  hive.writeUInt32LE(pageBytes, 40)
  hive.writeUInt32LE(1, 44)
  hive.writeUInt32LE(checksum(hive), 508)
}

function checksum(hive: Buffer): number {
  let sum = 0
  for (let at = 0; at < 508; at += 4) sum = (sum ^ hive.readUInt32LE(at)) >>> 0
  if (sum === none) return none - 1
  return sum === 0 ? 1 : sum
}

/** Cells have whole multiples of eight bytes, the first four of which are the size. */
function cellBytes(content: Buffer): number {
  return Math.ceil((content.length + 4) / 8) * 8
}

function writeCell(bin: Buffer, at: number, content: Buffer): void {
  // A negative size: it is in use.
  bin.writeInt32LE(-cellBytes(content), at)
  content.copy(bin, at + 4)
}

function keyNode(name: string): Buffer {
  const key = Buffer.alloc(76 + name.length)
  key.write('nk', 'latin1')
  // The root of a hive, which cannot be deleted, and whose name has one byte per character.
  key.writeUInt16LE(0x04 | 0x08 | 0x20, 2)
  // No lists of keys and values, and no class.
  for (const at of [28, 32, 40, 48]) key.writeUInt32LE(none, at)
  key.writeUInt32LE(rootCell + Math.ceil((key.length + 4) / 8) * 8, 44)
  key.writeUInt16LE(name.length, 72)
  key.write(name, 76, 'latin1')
  return key
}

/** @param at its own offset: a list of one that leads back to itself. */
function securityCell(at: number): Buffer {
  const descriptor = securityDescriptor()
  const cell = Buffer.alloc(20 + descriptor.length)
  cell.write('sk', 'latin1')
  cell.writeUInt32LE(at, 4)
  cell.writeUInt32LE(at, 8)
  cell.writeUInt32LE(1, 12)
  cell.writeUInt32LE(descriptor.length, 16)
  descriptor.copy(cell, 20)
  return cell
}

const system = sid(18)
const administrators = sid(32, 544)

/** https://learn.microsoft.com/openspecs/windows_protocols/ms-dtyp/7d4dac05-9cef-4563-a058-f108abecce1d */
function securityDescriptor(): Buffer {
  const list = accessList([system, administrators])
  const head = Buffer.alloc(20)
  head.writeUInt8(1, 0)
  // Self-relative, with a list of rights.
  head.writeUInt16LE(0x8004, 2)
  head.writeUInt32LE(20, 4)
  head.writeUInt32LE(20 + administrators.length, 8)
  head.writeUInt32LE(20 + administrators.length + system.length, 16)
  return Buffer.concat([head, administrators, system, list])
}

function accessList(trustees: readonly Buffer[]): Buffer {
  const entries = trustees.map((trustee) => {
    const head = Buffer.alloc(8)
    // Allows, and keys below inherit it.
    head.writeUInt8(2, 1)
    head.writeUInt16LE(8 + trustee.length, 2)
    // KEY_ALL_ACCESS
    head.writeUInt32LE(0xf003f, 4)
    return Buffer.concat([head, trustee])
  })
  const head = Buffer.alloc(8)
  head.writeUInt8(2, 0)
  head.writeUInt16LE(8 + entries.reduce((sum, { length }) => sum + length, 0), 2)
  head.writeUInt16LE(entries.length, 4)
  return Buffer.concat([head, ...entries])
}

/** Of the authority NT: `S-1-5-…`. */
function sid(...parts: number[]): Buffer {
  const bytes = Buffer.alloc(8 + 4 * parts.length)
  bytes.set([1, parts.length, 0, 0, 0, 0, 0, 5])
  for (const [index, part] of parts.entries()) bytes.writeUInt32LE(part, 8 + 4 * index)
  return bytes
}
