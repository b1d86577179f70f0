import { type KeyObject, X509Certificate } from 'node:crypto'

export interface ChainOrder {
  /** DER: the leaf, its issuers in order, then what does not belong to them, in the order given. */
  certificates: readonly Buffer[]
  /** Whether all of them are one chain. */
  complete: boolean
}

/** More certificates than this are not a chain of anything that exists; they are left as they are. */
const maxCertificates = 64
/** Steps of the search: certificates that all share a name and a key have as many paths as permutations. */
const maxSteps = 10_000

/**
 * Puts leaf, intermediates and root in the order in which a TLS server sends them: the longest path from the leaf, then the
 * rest. A certificate's issuer is one that it names *and* whose key verifies its signature: key identifiers are optional
 * extensions, so they decide nothing. Throws for a certificate that cannot be parsed.
 *
 * @param key the leaf is the certificate of this key; without one, it is a certificate that issued none of the others.
 */
export function orderChain(certificates: readonly Buffer[], key?: KeyObject): ChainOrder {
  if (certificates.length > maxCertificates) return { certificates, complete: false }
  const parsed = certificates.map((der) => new X509Certificate(der))
  const issuers = parsed.map((certificate) => issuersOf(certificate, parsed))
  const [path] = leavesOf(parsed, issuers, key)
    .map((leaf) => longestPath(leaf, issuers))
    .toSorted((a, b) => b.length - a.length)
  if (path === undefined) return { certificates, complete: certificates.length === 0 }
  const rest = certificates.filter((_, index) => !path.includes(index))
  const ordered = path.flatMap((index) => certificates[index] ?? [])
  return { certificates: [...ordered, ...rest], complete: rest.length === 0 }
}

/** Indexes of the certificates that issued this one. A root signs itself and ends its path. */
function issuersOf(certificate: X509Certificate, all: readonly X509Certificate[]): number[] {
  if (isIssuedBy(certificate, certificate)) return []
  return [...all.keys()].filter((index) => {
    const other = all[index]
    return other !== undefined && other !== certificate && isIssuedBy(certificate, other)
  })
}

function isIssuedBy(certificate: X509Certificate, issuer: X509Certificate): boolean {
  return certificate.issuer === issuer.subject && certificate.verify(issuer.publicKey)
}

function leavesOf(
  all: readonly X509Certificate[],
  issuers: readonly (readonly number[])[],
  key: KeyObject | undefined,
): number[] {
  const indexes = [...all.keys()]
  const own = key === undefined ? [] : indexes.filter((index) => all[index]?.checkPrivateKey(key) === true)
  if (own.length > 0) return own
  const parents = new Set(issuers.flat())
  return indexes.filter((index) => !parents.has(index))
}

/** From the leaf upwards, by depth-first search; the best path that was found within the steps. */
function longestPath(leaf: number, issuers: readonly (readonly number[])[]): readonly number[] {
  let best: readonly number[] = []
  let steps = 0
  const visit = (path: readonly number[]): void => {
    if (++steps > maxSteps) return
    if (path.length > best.length) best = path
    for (const issuer of issuers[path.at(-1) ?? -1] ?? []) if (!path.includes(issuer)) visit([...path, issuer])
  }
  visit([leaf])
  return best
}
