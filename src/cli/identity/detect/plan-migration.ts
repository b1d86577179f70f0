import type { AzureIdentity, AzureIdentityBinding, KubeObject } from '#kubernetes/client'

/** Label of AAD Pod Identity. */
export const bindingLabel = 'aadpodidbinding'

/** The identity that pods with a label value get, as pod identity decides it in one namespace. */
export interface SelectorIdentity {
  selector: string
  identity: AzureIdentity
}

export interface MatchedBindings {
  matched: readonly SelectorIdentity[]
  /** What is left out, and why. */
  warnings: readonly string[]
}

/**
 * The identity of each selector: bindings are read in the order of their names, and the first identity of a selector wins,
 * as with pod identity. Service principals are left out, because their secret cannot be migrated.
 */
export function matchBindings(
  bindings: readonly AzureIdentityBinding[],
  identities: readonly AzureIdentity[],
): MatchedBindings {
  const warnings: string[] = []
  const matched = new Map<string, SelectorIdentity>()
  const byName = new Map(identities.map((identity) => [identity.metadata.name ?? '', identity]))
  for (const binding of bindings.toSorted(byNamespaceAndName)) {
    const { selector = '', azureIdentity = '' } = binding.spec
    const identity = byName.get(azureIdentity)
    const what = `AzureIdentityBinding "${binding.metadata.name}"`
    if (selector === '') continue
    if (identity === undefined) warnings.push(`${what}: there is no AzureIdentity "${azureIdentity}"`)
    else if ((identity.spec.type ?? 0) !== 0) warnings.push(`${what}: ${servicePrincipalAdvice(identity)}`)
    else if (matched.has(selector)) warnings.push(`${what}: ${secondAdvice(selector, matched, identity)}`)
    else matched.set(selector, { selector, identity })
  }
  return { matched: [...matched.values()], warnings }
}

export function byNamespaceAndName(a: KubeObject, b: KubeObject): number {
  const key = ({ metadata }: KubeObject) => `${metadata.namespace ?? ''}/${metadata.name ?? ''}`
  return key(a) < key(b) ? -1 : key(a) > key(b) ? 1 : 0
}

function servicePrincipalAdvice({ metadata, spec }: AzureIdentity): string {
  return `AzureIdentity "${metadata.name}" is a service principal with a secret; let its application trust the service account instead: keymount identity serviceaccount create --aad-application-client-id ${spec.clientID ?? 'ID'}`
}

function secondAdvice(
  selector: string,
  matched: ReadonlyMap<string, SelectorIdentity>,
  { metadata }: AzureIdentity,
): string {
  const first = matched.get(selector)?.identity.metadata.name
  return `selector "${selector}" has "${first}" already; a service account has one default identity, so applications must name "${metadata.name}" by its client id`
}
