import type { ObjectFormat } from '#azure/class'
import { type SecretValue, SecretValue as Value } from '#lib'
import { decodePem, encodePem, type PemBlock, readPkcs12 } from '#lib/formats'
import { orderChain } from './certificate-chain.ts'

export interface CertificateSecretOptions {
  format: ObjectFormat
  /** Reorder the chain of a PFX, leaf first. */
  constructPemChain: boolean
  /** Told when the certificates do not form one chain. */
  onIncompleteChain?: () => void
}

/**
 * The secret behind a Key Vault certificate: private key and chain, PEM or PFX as the certificate's policy says. PEM is
 * given as stored; PFX becomes PEM unless the class asks for `pfx`.
 */
export async function renderCertificateSecret(
  { value, contentType }: { value: SecretValue; contentType: string | undefined },
  options: CertificateSecretOptions,
): Promise<SecretValue> {
  switch (contentType) {
    case 'application/x-pem-file':
      if (options.format === 'pem') return value
      throw new Error(
        'objectFormat pfx: the certificate is stored as PEM (application/x-pem-file); use objectFormat pem, or store it as application/x-pkcs12',
      )
    case 'application/x-pkcs12':
      return options.format === 'pfx' ? value : pfxToPem(value, options)
    default:
      throw new Error(`failed to get certificate. unknown content type '${contentType ?? ''}'`)
  }
}

async function pfxToPem(value: SecretValue, options: CertificateSecretOptions): Promise<SecretValue> {
  const { keys, certificates } = await readPkcs12(Buffer.from(value.revealText(), 'base64'))
  const chain = options.constructPemChain ? orderChain(certificates) : { certificates, complete: true }
  if (!chain.complete) options.onIncompleteChain?.()
  const blocks = [
    ...keys.map((key) => encodePem({ label: 'PRIVATE KEY', der: key.export({ format: 'der', type: 'pkcs8' }) })),
    ...chain.certificates.map((der) => encodePem({ label: 'CERTIFICATE', der })),
  ]
  return Value.of(blocks.join(''))
}

/** The blocks of a PEM text in two files: certificates, and everything else. */
export function splitCertificateAndKey(pem: SecretValue): { certificates: SecretValue; key: SecretValue } {
  const blocks = decodePem(pem.revealText())
  const text = (keep: (block: PemBlock) => boolean) => Value.of(blocks.filter(keep).map(encodePem).join(''))
  return {
    certificates: text(({ label }) => label === 'CERTIFICATE'),
    key: text(({ label }) => label !== 'CERTIFICATE'),
  }
}
