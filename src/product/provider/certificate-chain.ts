import { X509Certificate } from 'node:crypto'

export interface ChainOrder {
  /** DER, leaf first; in the order given when `complete` is false. */
  certificates: readonly Buffer[]
  /** False when the certificates do not form one chain; the field then leaves their order alone. */
  complete: boolean
}

/**
 * Puts leaf, intermediates and root in the order in which a TLS server sends them. A certificate's parent is one that
 * names it as issuer *and* whose key verifies its signature: key identifiers are optional extensions, so they decide nothing.
 */
export function orderChain(certificates: readonly Buffer[]): ChainOrder {
  const untouched = { certificates, complete: false }
  const parsed = certificates.map((der) => new X509Certificate(der))
  const parents = parsed.map((certificate, index) =>
    parsed.findIndex((candidate, other) => other !== index && isIssuedBy(certificate, candidate)),
  )
  // A root signs itself and ends the walk, also where the same root is there twice.
  const isParent = new Set(parents.filter((parent, index) => parent >= 0 && !isSelfSigned(parsed[index])))
  const leaf = parsed.findIndex((_, index) => !isParent.has(index))
  const walk: number[] = []
  for (let at = leaf; at >= 0 && !walk.includes(at); at = isSelfSigned(parsed[at]) ? -1 : (parents[at] ?? -1))
    walk.push(at)
  if (walk.length !== certificates.length) return untouched
  return { certificates: walk.flatMap((index) => certificates[index] ?? []), complete: true }
}

function isIssuedBy(certificate: X509Certificate, issuer: X509Certificate): boolean {
  return certificate.issuer === issuer.subject && certificate.verify(issuer.publicKey)
}

function isSelfSigned(certificate: X509Certificate | undefined): boolean {
  return (
    certificate !== undefined && certificate.issuer === certificate.subject && certificate.verify(certificate.publicKey)
  )
}
