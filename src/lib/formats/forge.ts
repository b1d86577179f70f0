import type forge from 'node-forge'
import { createRoundBudget, type RoundBudget } from './key-derivation.ts'

export type Forge = typeof forge

let loading: Promise<Forge> | undefined

/** Of the file that is being read: reading is synchronous, so there is one at a time. */
let budget: RoundBudget = createRoundBudget()

/** node-forge, loaded by the first file that needs it. */
export function loadForge(): Promise<Forge> {
  loading ??= load()
  return loading
}

/** Runs `read` with a fresh budget of key derivation rounds. */
export function withinRoundBudget<T>(read: () => T): T {
  budget = createRoundBudget()
  return read()
}

type Derive = (password: string, salt: string, id: number, rounds: number, ...rest: unknown[]) => unknown
type Pbkdf2 = (password: string, salt: string, rounds: number, ...rest: unknown[]) => unknown

interface Derivations {
  pki: { pbe: { generatePkcs12Key: Derive } }
  pkcs12: { generateKey: Derive }
  pkcs5: { pbkdf2: Pbkdf2 }
}

/**
 * Two changes to the library, at functions that it calls by their public names. BER allows an OCTET STRING in pieces (X.690
 * section 8.7), and some writers cut the encrypted key so; node-forge takes only whole ones at that place. And the number of
 * rounds of a key derivation comes from the file: it is checked before the rounds are computed.
 */
async function load(): Promise<Forge> {
  const { default: lib } = await import('node-forge')
  const decrypt = lib.pki.decryptPrivateKeyInfo
  lib.pki.decryptPrivateKeyInfo = (info, password) => decrypt(withWholeOctets(lib, info), password)
  const { pki, pkcs12, pkcs5 } = lib as unknown as Derivations
  const derive = pki.pbe.generatePkcs12Key
  const checked: Derive = (password, salt, id, rounds, ...rest) => {
    budget.spend(rounds)
    return derive(password, salt, id, rounds, ...rest)
  }
  pki.pbe.generatePkcs12Key = checked
  pkcs12.generateKey = checked
  const { pbkdf2 } = pkcs5
  pkcs5.pbkdf2 = (password, salt, rounds, ...rest) => {
    budget.spend(rounds)
    return pbkdf2(password, salt, rounds, ...rest)
  }
  return lib
}

function withWholeOctets(lib: Forge, node: forge.asn1.Asn1): forge.asn1.Asn1 {
  if (!Array.isArray(node.value)) return node
  const parts = node.value.map((part) => withWholeOctets(lib, part))
  const { OCTETSTRING } = lib.asn1.Type
  const inPieces = node.tagClass === lib.asn1.Class.UNIVERSAL && node.type === OCTETSTRING && node.constructed
  if (!inPieces) return { ...node, value: parts }
  return lib.asn1.create(node.tagClass, OCTETSTRING, false, parts.map(({ value }) => value).join(''))
}

export function parseDer(lib: Forge, der: Uint8Array): forge.asn1.Asn1 {
  const bytes = Buffer.from(der.buffer, der.byteOffset, der.length).toString('binary')
  return lib.asn1.fromDer(lib.util.createBuffer(bytes), false)
}
