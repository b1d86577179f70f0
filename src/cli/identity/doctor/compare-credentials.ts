import { tokenExchangeAudience } from '#azure/identity'
import type { FederatedCredential } from '../federated-credential.ts'

/** What a pod's token says, or will say. */
export interface PresentedToken {
  issuer: string
  subject: string
}

export type CredentialMatch =
  | { kind: 'match'; credential: FederatedCredential }
  /** One that was meant, with what differs. */
  | { kind: 'near'; credential: FederatedCredential; differences: readonly string[] }
  | { kind: 'none' }

/**
 * The federated credential that lets the token in, or the one that was probably meant to. Entra compares byte for byte.
 * https://learn.microsoft.com/entra/workload-id/workload-identity-federation-considerations
 */
export function matchCredential(token: PresentedToken, credentials: readonly FederatedCredential[]): CredentialMatch {
  const compared = credentials.map((credential) => ({ credential, differences: differences(token, credential) }))
  const match = compared.find((one) => one.differences.length === 0)
  if (match !== undefined) return { kind: 'match', credential: match.credential }
  const near = compared
    .filter(({ credential }) => sameButForForm(credential.subject, token.subject) || isNearIssuer(token, credential))
    .toSorted((a, b) => a.differences.length - b.differences.length)[0]
  return near === undefined ? { kind: 'none' } : { kind: 'near', ...near }
}

/** The right subject with another issuer was made for this service account; the same issuer alone was made for any other. */
function isNearIssuer(token: PresentedToken, { issuer, subject }: FederatedCredential): boolean {
  return sameButForForm(issuer, token.issuer) && lastWord(subject) === lastWord(token.subject)
}

function lastWord(subject: string): string {
  return subject.split(':').at(-1)?.trim().toLowerCase() ?? ''
}

function sameButForForm(a: string, b: string): boolean {
  const plain = (text: string) => text.trim().replace(/\/+$/, '').toLowerCase()
  return plain(a) === plain(b)
}

function differences({ issuer, subject }: PresentedToken, credential: FederatedCredential): string[] {
  const audience = credential.audiences[0] ?? ''
  return [
    ...difference('issuer', credential.issuer, issuer),
    ...difference('subject', credential.subject, subject),
    ...difference('audience', audience, tokenExchangeAudience),
  ]
}

function difference(what: string, found: string, expected: string): string[] {
  if (found === expected) return []
  return [`its ${what} is ${JSON.stringify(found)}, the token’s is ${JSON.stringify(expected)}${hint(found, expected)}`]
}

/** Names the difference that the eye does not see. */
function hint(found: string, expected: string): string {
  if (`${found}/` === expected) return ': the slash at its end is missing'
  if (found === `${expected}/`) return ': there is a slash too many at its end'
  if (found.trim() === expected.trim()) return ': there are blanks around it'
  if (found.toLowerCase() === expected.toLowerCase()) return ': upper and lower case count'
  return ''
}
