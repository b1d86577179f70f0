import type { KeyObject } from 'node:crypto'
import { defineTask } from '#lib/worker'
import { orderChain } from './certificate-chain.ts'
import { decodePem } from './pem.ts'
import { readPkcs12 } from './pkcs12.ts'
import { isPrivateKey, readPrivateKey } from './private-key.ts'

/** A text or file with a private key, certificates, or both. */
export interface KeyMaterialInput {
  /** PEM text, or a PFX file. */
  contents: Uint8Array
  /** Opens an encrypted key or PFX. Default: none. */
  password?: string | undefined
  /** Whether certificates are put in the order of their chain. Default true. */
  order?: boolean | undefined
}

export interface KeyMaterial {
  form: 'pem' | 'pfx'
  /** In the order of the input. */
  keys: readonly PrivateKeyForms[]
  /** DER: leaf, issuers, rest. */
  certificates: readonly Uint8Array[]
  /** Whether all certificates are one chain. */
  complete: boolean
}

/** One private key in the forms that consumers want; DER unless named otherwise. */
export interface PrivateKeyForms {
  /** `rsa`, `ec`, `ed25519` and so on. */
  type: string
  pkcs8: Uint8Array
  /** PEM in the older form of its type, which many servers expect: PKCS#1 for RSA, SEC1 for EC, PKCS#8 for others. */
  traditionalPem: string
}

/**
 * Reads keys and certificates from PEM or PFX. Other PEM blocks (parameters, public keys, revocation lists) are passed over,
 * as OpenSSL does. Throws with a text that holds nothing of the content.
 */
export async function readKeyMaterial({ contents, password, order = true }: KeyMaterialInput): Promise<KeyMaterial> {
  const blocks = decodePem(Buffer.from(contents.buffer, contents.byteOffset, contents.length).toString('latin1'))
  const { form, keys, certificates } =
    blocks.length > 0 ? await fromPem(blocks, password) : await fromPfx(contents, password)
  const chain = order ? orderChain(certificates, keys.at(-1)) : { certificates, complete: true }
  return {
    form,
    keys: keys.map(formsOf),
    certificates: chain.certificates.map((der) => new Uint8Array(der)),
    complete: chain.complete,
  }
}

/** {@link readKeyMaterial} for a worker thread: contents that a tenant wrote. */
export const readKeyMaterialTask = defineTask('read-key-material', readKeyMaterial)

async function fromPem(blocks: ReturnType<typeof decodePem>, password: string | undefined) {
  const keys: KeyObject[] = []
  for (const block of blocks.filter(isPrivateKey)) keys.push(await readPrivateKey(block, password))
  const isCertificate = ({ label }: { label: string }) => label === 'CERTIFICATE' || label === 'X509 CERTIFICATE'
  return { form: 'pem' as const, keys, certificates: blocks.filter(isCertificate).map(({ der }) => der) }
}

async function fromPfx(contents: Uint8Array, password: string | undefined) {
  return { form: 'pfx' as const, ...(await readPkcs12(contents, password)) }
}

function formsOf(key: KeyObject): PrivateKeyForms {
  const type = key.asymmetricKeyType ?? 'unknown'
  const traditional = type === 'rsa' ? 'pkcs1' : type === 'ec' ? 'sec1' : 'pkcs8'
  return {
    type,
    pkcs8: new Uint8Array(key.export({ format: 'der', type: 'pkcs8' })),
    traditionalPem: String(key.export({ format: 'pem', type: traditional })),
  }
}
