import { type KeyObject, X509Certificate } from 'node:crypto'
import { decodePem, isPrivateKey, readPkcs12, readPrivateKey } from '#lib/formats'
import type { Refusal } from '../../http/refusal.ts'
import { badParameter } from '../error-response.ts'
import { checkAlgorithm, checkImport } from './check-import.ts'
import { pemType, pfxType } from './policy.ts'

/** The private key of an imported file and its certificates, leaf first. */
export interface ImportedCertificate {
  key: KeyObject
  /** DER. */
  chain: Buffer[]
  contentType: typeof pemType | typeof pfxType
}

interface Contents {
  key: KeyObject
  certificates: X509Certificate[]
}

/**
 * Reads a PFX in base64, a PEM text, or base64 of one. Throws {@link Refusal} for a file that Key Vault refuses; the refusal
 * never quotes the content.
 * @param given the content type of the policy. Default: that of the value, since az sends PEM files without a policy.
 */
export async function readImport(
  value: string,
  password: string,
  given: ImportedCertificate['contentType'] | undefined,
): Promise<ImportedCertificate> {
  const text = pemTextOf(value)
  const contentType = given ?? (text.includes('-----BEGIN') ? pemType : pfxType)
  const { key, certificates } = contentType === pemType ? await readPem(text, password) : await readPfx(value, password)
  for (const certificate of certificates) checkAlgorithm(certificate)
  const leaf = certificates.find((certificate) => certificate.checkPrivateKey(key))
  if (leaf === undefined) {
    throw badParameter('The specified certificate has no certificate that belongs to its private key.')
  }
  checkImport(key, leaf, contentType)
  const rest = certificates.filter((certificate) => certificate !== leaf)
  return { key, chain: [leaf, ...rest].map(({ raw }) => Buffer.from(raw)), contentType }
}

function pemTextOf(value: string): string {
  return value.includes('-----BEGIN') ? value : Buffer.from(value, 'base64').toString('utf8')
}

async function readPem(text: string, password: string): Promise<Contents> {
  const blocks = decodePem(text)
  if (blocks.length === 0) throw unreadablePem()
  const keyBlock = blocks.find(isPrivateKey)
  if (keyBlock === undefined) {
    throw badParameter(
      'Private key is not specified in the specified X.509 PEM certificate content. Please specify private key in the X.509 PEM certificate content.',
    )
  }
  const isPkcs8 = ['PRIVATE KEY', 'ENCRYPTED PRIVATE KEY'].includes(keyBlock.label)
  if (!isPkcs8 || text.includes('\r')) {
    throw badParameter(
      'The specified PEM X.509 certificate content is in an unexpected format. Please check if certificate is in valid PEM format.',
    )
  }
  const certificateBlocks = blocks.filter(({ label }) => label === 'CERTIFICATE')
  if (certificateBlocks.length === 0) throw unreadablePem()
  try {
    const key = await readPrivateKey(keyBlock, password)
    return { key, certificates: certificateBlocks.map(({ der }) => new X509Certificate(der)) }
  } catch {
    throw unreadablePem()
  }
}

function unreadablePem(): Refusal {
  return badParameter(
    'The specified PEM X.509 certificate content can not be read. Please check if certificate is in valid PEM format. Accepted formats: PEM content or Base64 encoded PEM content.',
  )
}

async function readPfx(value: string, password: string): Promise<Contents> {
  try {
    const { keys, certificates } = await readPkcs12(Buffer.from(value, 'base64'), password)
    const [key] = keys
    if (key === undefined) throw new Error('no key')
    return { key, certificates: certificates.map((der) => new X509Certificate(der)) }
  } catch {
    throw badParameter(
      'The specified PKCS#12 X.509 certificate content can not be read. Please check if certificate is in valid PKCS#12 format.',
    )
  }
}
