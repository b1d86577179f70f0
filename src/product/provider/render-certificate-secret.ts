import type { ObjectFormat } from '#azure/class'
import { SecretValue } from '#lib'
import { decodePem, encodePem, type PemBlock, readKeyMaterialTask } from '#lib/formats'
import type { TaskRunner } from '#lib/worker'

export interface CertificateSecretOptions {
  format: ObjectFormat
  /** Reorder the chain of a PFX, leaf first. */
  constructPemChain: boolean
  /** Where a PFX is parsed: its content may be a tenant's. */
  tasks: TaskRunner
  /** On whose behalf, see `TaskOptions`. */
  owner?: string | undefined
  /** Called when the certificates do not form one chain. */
  onIncompleteChain?: (() => void) | undefined
}

/**
 * The secret behind a Key Vault certificate: private key and chain, PEM or PFX by the certificate's policy. PEM is
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

async function pfxToPem(
  value: SecretValue,
  { constructPemChain, tasks, owner, onIncompleteChain }: CertificateSecretOptions,
): Promise<SecretValue> {
  const contents = new Uint8Array(Buffer.from(value.revealText(), 'base64'))
  const { keys, certificates, complete } = await tasks.run(
    readKeyMaterialTask,
    { contents, order: constructPemChain },
    { owner },
  )
  if (!complete) onIncompleteChain?.()
  const blocks = [
    ...keys.map(({ pkcs8 }) => encodePem({ label: 'PRIVATE KEY', der: pkcs8 })),
    ...certificates.map((der) => encodePem({ label: 'CERTIFICATE', der })),
  ]
  return SecretValue.of(blocks.join(''))
}

/** The blocks of a PEM text in two files: certificates, and everything else. */
export function splitCertificateAndKey(pem: SecretValue): { certificates: SecretValue; key: SecretValue } {
  const blocks = decodePem(pem.revealText())
  const text = (wanted: (block: PemBlock) => boolean) => SecretValue.of(blocks.filter(wanted).map(encodePem).join(''))
  return {
    certificates: text(({ label }) => label === 'CERTIFICATE'),
    key: text(({ label }) => label !== 'CERTIFICATE'),
  }
}
