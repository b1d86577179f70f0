import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto'
import { readPkcs12 } from '#lib/formats'
import { badParameter } from '../error-response.ts'

/** The private key of an imported file and its certificates, leaf first. */
export interface ImportedCertificate {
  key: KeyObject
  /** DER. */
  chain: Buffer[]
  format: 'pem' | 'pfx'
}

/** Reads a PEM text, base64 of one, or base64 of a PFX. Throws {@link Refusal}, which never quotes the content. */
export async function readImport(value: string, password: string): Promise<ImportedCertificate> {
  const text = value.includes('-----BEGIN') ? value : Buffer.from(value, 'base64').toString('utf8')
  const isPem = text.includes('-----BEGIN')
  const { key, certificates } = isPem ? readPem(text) : await readPfx(value, password)
  const leaf = certificates.find((certificate) => certificate.checkPrivateKey(key))
  if (leaf === undefined)
    throw badParameter('The specified certificate has no certificate that belongs to its private key.')
  const rest = certificates.filter((certificate) => certificate !== leaf)
  return { key, chain: [leaf, ...rest].map(({ raw }) => Buffer.from(raw)), format: isPem ? 'pem' : 'pfx' }
}

function readPem(text: string): { key: KeyObject; certificates: X509Certificate[] } {
  const blocks = text.match(/-----BEGIN [^-]+-----[\s\S]*?-----END [^-]+-----/g) ?? []
  const keyBlock = blocks.find((block) => block.includes('PRIVATE KEY'))
  try {
    const certificates = blocks
      .filter((block) => block.includes('BEGIN CERTIFICATE'))
      .map((pem) => new X509Certificate(pem))
    if (keyBlock === undefined) throw new Error('no key')
    return { key: createPrivateKey(keyBlock), certificates }
  } catch {
    throw badParameter(
      'The specified PEM X.509 certificate content can not be read. Please check if it has a private key and certificates.',
    )
  }
}

async function readPfx(value: string, password: string): Promise<{ key: KeyObject; certificates: X509Certificate[] }> {
  try {
    const { keys, certificates } = await readPkcs12(Buffer.from(value, 'base64'), password)
    const [key] = keys
    if (key === undefined) throw new Error('no key')
    return { key, certificates: certificates.map((der) => new X509Certificate(der)) }
  } catch {
    throw badParameter(
      'The specified PKCS#12 X.509 certificate content can not be read. Please check if certificate is in valid PKCS#12 format and the password is right.',
    )
  }
}
