import { tokenExchangeAudience } from '#azure/identity'
import type { FederatedCredential } from '../federated-credential.ts'

/** Issuer and subject of a pod's token. */
export interface PresentedToken {
  issuer: string
  subject: string
}

export type CredentialMatch =
  | { kind: 'match'; credential: FederatedCredential }
  /** One that was meant for the token, with what differs. */
  | {
      kind: 'near'
      credential: FederatedCredential
      differences: readonly string[]
      differs: 'issuer' | 'subject' | 'audience' | 'letters'
    }
  | { kind: 'none' }

/**
 * The federated credential that accepts the token, or the one that was meant to. Entra compares byte for byte.
 * https://learn.microsoft.com/entra/workload-id/workload-identity-federation-considerations
 */
export function matchCredential(token: PresentedToken, credentials: readonly FederatedCredential[]): CredentialMatch {
  const compared = credentials.map((credential) => ({ credential, differences: differences(token, credential) }))
  const match = compared.find((one) => one.differences.length === 0)
  if (match !== undefined) return { kind: 'match', credential: match.credential }
  // A credential of another service account, or of another cluster, is theirs: changing it would take their access away.
  const near = compared
    .filter(
      ({ credential: { issuer, subject } }) =>
        isSameExceptForm(subject, token.subject) && isSameExceptForm(issuer, token.issuer),
    )
    .toSorted((a, b) => a.differences.length - b.differences.length)[0]
  return near === undefined
    ? { kind: 'none' }
    : { kind: 'near', ...near, differs: differingField(token, near.credential) }
}

function isSameExceptForm(a: string, b: string): boolean {
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

/** The field that Entra would name first; `letters`: the subject, in upper and lower case only. */
function differingField({ issuer, subject }: PresentedToken, credential: FederatedCredential) {
  if (credential.issuer !== issuer) return 'issuer'
  if (credential.subject === subject) return 'audience'
  return credential.subject.toLowerCase() === subject.toLowerCase() ? 'letters' : 'subject'
}

function difference(what: string, found: string, expected: string): string[] {
  if (found === expected) return []
  return [`its ${what} is ${JSON.stringify(found)}, the token’s is ${JSON.stringify(expected)}${hint(found, expected)}`]
}

/** Names a difference that is easily overlooked. */
function hint(found: string, expected: string): string {
  if (`${found}/` === expected) return ': the slash at its end is missing'
  if (found === `${expected}/`) return ': there is a slash too many at its end'
  if (found.trim() === expected.trim()) return ': there are blanks around it'
  if (found.toLowerCase() === expected.toLowerCase()) return ': upper and lower case matter'
  return ''
}
