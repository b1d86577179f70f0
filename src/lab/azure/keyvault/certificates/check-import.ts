import type { KeyObject, X509Certificate } from 'node:crypto'
import { badParameter, unsupportedKeyCurve, unsupportedKeySize } from '../error-response.ts'
import { type Curve, curveSizes, curves, rsaSizes } from '../keys/generate-key.ts'
import { pfxType } from './policy.ts'

const algorithmNames: Readonly<Record<string, string>> = {
  ed25519: 'Ed25519',
  ed448: 'Ed448',
  'rsa-pss': 'RSA-PSS',
  dsa: 'DSA',
}

/** Throws {@link Refusal} unless the certificate, of whatever place in the chain, has an RSA or EC key. */
export function checkAlgorithm(certificate: X509Certificate): void {
  const type = algorithmOf(certificate)
  if (type === 'rsa' || type === 'ec') return
  throw badParameter(
    `${algorithmNames[type] ?? type} Public Key Algorithm of the x509 certificate in the certificate chain is not supported.`,
  )
}

function algorithmOf(certificate: X509Certificate): string {
  try {
    return certificate.publicKey.asymmetricKeyType ?? 'Unknown'
  } catch {
    // OpenSSL cannot read the key.
    return 'Unknown'
  }
}

/**
 * Throws the {@link Refusal} of Key Vault for a certificate that it does not store. The texts about sizes, formats and missing
 * keys are Azure's own; those about curves and other algorithms follow its pattern.
 * https://learn.microsoft.com/azure/key-vault/certificates/certificate-scenarios#formats-of-import-we-support
 */
export function checkImport(key: KeyObject, leaf: X509Certificate, contentType: string): void {
  checkKey(key)
  checkSignature(key, leaf)
  if (contentType === pfxType && leaf.validToDate.getTime() <= Date.now()) {
    throw badParameter('The specified PKCS#12 X.509 certificate is expired.')
  }
  const subject = leaf.subject.replaceAll('\n', ', ')
  if (subject.length > maxSubjectLength) {
    throw badParameter(`The subject of the specified certificate has more than ${maxSubjectLength} characters.`)
  }
}

/** https://learn.microsoft.com/azure/key-vault/certificates/faq */
const maxSubjectLength = 200

function checkKey({ asymmetricKeyType: type, asymmetricKeyDetails: details = {} }: KeyObject): void {
  if (type === 'rsa') {
    const bits = details.modulusLength ?? 0
    if (!rsaSizes.some((size) => size === bits)) throw unsupportedKeySize(bits, rsaSizes)
    return
  }
  const curve = details.namedCurve ?? ''
  if (Object.values(curves).some((supported) => supported === curve)) return
  throw unsupportedKeyCurve(curve)
}

/** Key Vault takes the type of the key from the signature, so that it finds an RSA key under an EC authority too large. */
function checkSignature(key: KeyObject, { signatureAlgorithm }: X509Certificate): void {
  if (key.asymmetricKeyType !== 'rsa' || !/ecdsa/i.test(signatureAlgorithm ?? '')) return
  const sizes = [...new Set((Object.keys(curves) as Curve[]).map((curve) => curveSizes[curve]))]
  throw unsupportedKeySize(key.asymmetricKeyDetails?.modulusLength ?? 0, sizes)
}
