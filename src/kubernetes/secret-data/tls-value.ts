import { createPrivateKey, type KeyObject } from 'node:crypto'
import type { TlsKey } from '#kubernetes/client'
import { SecretValue } from '#lib'
import { decodePem, encodePem, readPkcs12 } from '#lib/formats'

/**
 * What belongs under a key of a TLS Secret, out of a file that may hold certificates and key together: PEM, or PFX without
 * a password. Throws with a text that holds nothing of the content.
 */
export async function tlsValue(key: TlsKey, contents: SecretValue): Promise<SecretValue> {
  const blocks = pemBlocks(contents.revealText())
  return SecretValue.of(key === 'tls.key' ? await keyPem(blocks, contents) : await certificatesPem(blocks, contents))
}

interface PemBlock {
  label: string
  text: string
}

/** The blocks of a text in their usual form: whatever is between and behind them is left out. */
function pemBlocks(text: string): PemBlock[] {
  return decodePem(text).map((block) => ({ label: block.label, text: encodePem(block).trimEnd() }))
}

const isCertificate = ({ label }: PemBlock) => label === 'CERTIFICATE'

async function certificatesPem(blocks: PemBlock[], contents: SecretValue): Promise<string> {
  const certificates = blocks.filter(isCertificate).map(({ text }) => text)
  if (certificates.length === 0) {
    const { certificates: found } = await pfx(contents, 'certificate')
    certificates.push(...found.map(certificatePem))
  }
  if (certificates.length === 0) throw new Error('holds no certificate')
  return `${certificates.join('\n')}\n`
}

async function keyPem(blocks: PemBlock[], contents: SecretValue): Promise<string> {
  const block = blocks.findLast((candidate) => !isCertificate(candidate))
  if (block !== undefined) return exportKey(parseKey(block))
  if (blocks.length > 0) throw new Error('holds certificates but no private key')
  const key = (await pfx(contents, 'private key')).keys.at(-1)
  if (key === undefined) throw new Error('holds no private key')
  return exportKey(key)
}

function parseKey({ label, text }: PemBlock): KeyObject {
  if (label === 'ENCRYPTED PRIVATE KEY' || text.includes('Proc-Type: 4,ENCRYPTED')) {
    throw new Error('holds an encrypted private key, which no server could use')
  }
  try {
    return createPrivateKey(text)
  } catch {
    throw new Error(`holds a block "${label}" that is not a private key`)
  }
}

/** RSA and EC keys in the older forms, which many servers expect; others as PKCS#8. */
function exportKey(key: KeyObject): string {
  const type = key.asymmetricKeyType === 'rsa' ? 'pkcs1' : key.asymmetricKeyType === 'ec' ? 'sec1' : 'pkcs8'
  return String(key.export({ format: 'pem', type }))
}

function certificatePem(der: Buffer): string {
  const lines = der.toString('base64').replaceAll(/(.{64})(?=.)/g, '$1\n')
  return `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----`
}

async function pfx(contents: SecretValue, wanted: string) {
  try {
    return await readPkcs12(contents.reveal())
  } catch {
    throw new Error(`holds no ${wanted}: it is neither PEM nor a PFX without a password`)
  }
}
