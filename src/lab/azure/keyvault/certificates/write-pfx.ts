import { type KeyObject, webcrypto } from 'node:crypto'
import { BmpString, fromBER, OctetString } from 'asn1js'
import {
  Attribute,
  AuthenticatedSafe,
  CertBag,
  Certificate,
  CryptoEngine,
  ECNamedCurves,
  PFX,
  PKCS8ShroudedKeyBag,
  PrivateKeyInfo,
  SafeBag,
  SafeContents,
  setEngine,
} from 'pkijs'

// pkijs parses EC keys of registered curves only.
ECNamedCurves.register('P-256K', '1.3.132.0.10', 32)
setEngine('node', new CryptoEngine({ name: 'node', crypto: webcrypto as never }))

/** Object identifiers of RFC 7292 and RFC 2985. */
const oid = {
  shroudedKeyBag: '1.2.840.113549.1.12.10.1.2',
  certBag: '1.2.840.113549.1.12.10.1.3',
  localKeyId: '1.2.840.113549.1.9.21',
  friendlyName: '1.2.840.113549.1.9.20',
}

/** Key Vault returns PFX files without a password. */
const password = new ArrayBuffer(0)
const iterations = 2000

/**
 * A PFX file without a password: the key (PBES2 with AES-256) if it is exportable, the certificates, a MAC with SHA-256.
 * https://www.rfc-editor.org/rfc/rfc7292
 */
export async function writePfx(key: KeyObject | undefined, chain: readonly Buffer[]): Promise<Buffer> {
  const localKeyId = new Attribute({
    type: oid.localKeyId,
    values: [new OctetString({ valueHex: new Uint8Array([1]).buffer })],
  })
  const keyBags = key === undefined ? [] : [await keyBagOf(key, localKeyId)]
  const certificateBags = chain.map(certificateBagOf)
  const [leafBag] = certificateBags
  if (leafBag !== undefined) leafBag.bagAttributes = [localKeyId]
  const bags = [...keyBags, ...certificateBags]
  const safe = new AuthenticatedSafe({
    parsedValue: { safeContents: [{ privacyMode: 0, value: new SafeContents({ safeBags: bags }) }] },
  })
  await safe.makeInternalValues({ safeContents: [{}] })
  const pfx = new PFX({ parsedValue: { integrityMode: 0, authenticatedSafe: safe } })
  await pfx.makeInternalValues({
    password,
    iterations,
    pbkdf2HashAlgorithm: 'SHA-256',
    hmacHashAlgorithm: 'SHA-256',
  })
  return Buffer.from(pfx.toSchema().toBER())
}

async function keyBagOf(key: KeyObject, localKeyId: Attribute): Promise<SafeBag> {
  const friendlyName = new Attribute({ type: oid.friendlyName, values: [new BmpString({ value: 'keymount' })] })
  const keyBag = new PKCS8ShroudedKeyBag({
    parsedValue: PrivateKeyInfo.fromBER(key.export({ format: 'der', type: 'pkcs8' })),
  })
  await keyBag.makeInternalValues({
    password,
    contentEncryptionAlgorithm: { name: 'AES-CBC', length: 256 } as never,
    hmacHashAlgorithm: 'SHA-256',
    iterationCount: iterations,
  })
  return new SafeBag({ bagId: oid.shroudedKeyBag, bagValue: keyBag, bagAttributes: [friendlyName, localKeyId] })
}

function certificateBagOf(der: Buffer): SafeBag {
  const certificate = new Certificate({ schema: fromBER(der).result })
  return new SafeBag({ bagId: oid.certBag, bagValue: new CertBag({ parsedValue: certificate }) })
}
