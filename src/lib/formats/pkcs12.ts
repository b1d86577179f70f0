import { createPrivateKey, type KeyObject } from 'node:crypto'
import type forge from 'node-forge'
import { errorMessage } from '#lib'
import { type Forge, loadForge, parseDer, withinRoundBudget } from './forge.ts'

/** What a PFX file holds, in its own order. */
export interface Pkcs12 {
  keys: readonly KeyObject[]
  /** DER. */
  certificates: readonly Buffer[]
}

/**
 * Reads a PFX file with whatever encryption is in use: PBE with SHA-1 and RC2-40 or 3DES, PBES2 with AES, no encryption; MAC
 * with SHA-1 or SHA-2, or none. https://www.rfc-editor.org/rfc/rfc7292
 *
 * node-forge does the parsing because Node's own OpenSSL has no RC2 and cannot hand out what it read; it is loaded by the
 * first file. Throws with a text that holds nothing of the content. A file of another person is read in a worker thread.
 */
export async function readPkcs12(der: Uint8Array, password = ''): Promise<Pkcs12> {
  const lib = await loadForge()
  const pfx = withinRoundBudget(() => decode(lib, der, password))
  const bags = pfx.safeContents.flatMap(({ safeBags }) => safeBags)
  const { certBag, keyBag, pkcs8ShroudedKeyBag } = lib.pki.oids
  return {
    keys: bags.filter(({ type }) => type === keyBag || type === pkcs8ShroudedKeyBag).map((bag) => keyOf(lib, bag)),
    certificates: bags.filter(({ type }) => type === certBag).map((bag) => certificateOf(lib, bag)),
  }
}

function decode(lib: Forge, der: Uint8Array, password: string): forge.pkcs12.Pkcs12Pfx {
  const asn1 = parseDer(lib, der)
  try {
    return lib.pkcs12.pkcs12FromAsn1(asn1, false, password)
  } catch (error) {
    if (password !== '') throw new Error(`pkcs12: ${errorMessage(error)}`)
    // Writers disagree on what "no password" is: two zero bytes, or nothing at all.
    try {
      return lib.pkcs12.pkcs12FromAsn1(asn1, false, undefined)
    } catch {
      throw new Error(`pkcs12: ${errorMessage(error)}`)
    }
  }
}

/** node-forge knows RSA only and hands everything else out as it found it. */
function keyOf(lib: Forge, { key, asn1 }: forge.pkcs12.Bag): KeyObject {
  const info = key === undefined || key === null ? asn1 : lib.pki.wrapRsaPrivateKey(lib.pki.privateKeyToAsn1(key))
  try {
    return createPrivateKey({ key: toBuffer(lib, info), format: 'der', type: 'pkcs8' })
  } catch {
    throw new Error('pkcs12: failed to parse key for type pkcs1, pkcs8 or ec')
  }
}

function certificateOf(lib: Forge, { cert, asn1 }: forge.pkcs12.Bag): Buffer {
  return toBuffer(lib, cert === undefined || cert === null ? asn1 : lib.pki.certificateToAsn1(cert))
}

function toBuffer(lib: Forge, asn1: forge.asn1.Asn1): Buffer {
  return Buffer.from(lib.asn1.toDer(asn1).getBytes(), 'binary')
}
