import { createPrivateKey, type KeyObject } from 'node:crypto'
import type forge from 'node-forge'
import { type Forge, loadForge, parseDer } from './forge.ts'
import { createRoundBudget } from './key-derivation.ts'
import { encodePem, type PemBlock } from './pem.ts'

/** Whether a PEM block is a private key, encrypted or not. */
export function isPrivateKey({ label }: PemBlock): boolean {
  return label === 'PRIVATE KEY' || label.endsWith(' PRIVATE KEY')
}

/** The key of a block. Throws with a text that holds nothing of the content. */
export async function readPrivateKey(block: PemBlock, password = ''): Promise<KeyObject> {
  if (isEncrypted(block) && password === '') throw new Error('the private key is encrypted and there is no password')
  if (block.label === 'ENCRYPTED PRIVATE KEY') checkRounds(await loadForge(), block.der)
  try {
    return createPrivateKey({ key: encodePem(block), passphrase: password === '' ? undefined : password })
  } catch {
    const why = isEncrypted(block) ? 'cannot be decrypted with the password' : 'cannot be parsed'
    throw new Error(`the block "${block.label}" ${why}`)
  }
}

/** Whether a password is needed to read it: PKCS#8, or the older form with headers. */
function isEncrypted({ label, headers = [] }: PemBlock): boolean {
  return label === 'ENCRYPTED PRIVATE KEY' || headers.some((line) => /^Proc-Type:\s*4,\s*ENCRYPTED/i.test(line))
}

const scryptOid = '1.3.6.1.4.1.11591.4.11'

/**
 * OpenSSL computes as many rounds as the file demands, and nothing can interrupt it. The parameters of every scheme are integers:
 * the rounds of PBKDF2 and of the older schemes, a key length, and the three factors of scrypt.
 * https://www.rfc-editor.org/rfc/rfc8018, https://www.rfc-editor.org/rfc/rfc7914#section-7.1
 */
function checkRounds(lib: Forge, der: Uint8Array): void {
  const budget = createRoundBudget()
  const { oids, integers } = parametersOf(lib, algorithmOf(lib, der))
  if (oids.includes(scryptOid)) budget.spend(integers.slice(0, 3).reduce((work, factor) => work * factor, 1))
  else for (const integer of integers) budget.spend(integer)
}

/** The first field of an EncryptedPrivateKeyInfo. */
function algorithmOf(lib: Forge, der: Uint8Array): forge.asn1.Asn1 {
  try {
    const { value } = parseDer(lib, der)
    const algorithm = Array.isArray(value) ? value[0] : undefined
    if (algorithm !== undefined) return algorithm
  } catch {
    // Reported below; the library's words describe its own input.
  }
  throw new Error('the encrypted private key cannot be parsed')
}

function parametersOf(lib: Forge, node: forge.asn1.Asn1): { oids: string[]; integers: number[] } {
  if (Array.isArray(node.value)) {
    const all = node.value.map((part) => parametersOf(lib, part))
    return { oids: all.flatMap(({ oids }) => oids), integers: all.flatMap(({ integers }) => integers) }
  }
  const bytes = Buffer.from(String(node.value), 'binary')
  const { OID, INTEGER } = lib.asn1.Type
  if (node.tagClass !== lib.asn1.Class.UNIVERSAL) return { oids: [], integers: [] }
  return {
    oids: node.type === OID && bytes.length > 0 ? [lib.asn1.derToOid(node.value as string)] : [],
    integers: node.type === INTEGER ? [integerOf(bytes)] : [],
  }
}

function integerOf(bytes: Buffer): number {
  return bytes.length > 6 ? Number.POSITIVE_INFINITY : Number.parseInt(bytes.toString('hex') || '0', 16)
}
